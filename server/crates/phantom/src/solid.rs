//! Solids as signed distances, and the integral of their material along rays.
//!
//! A group is one smooth union of primitives with a shell (the cortex of a bone, the fat under skin) and an
//! inside. Rays are taken eight at a time and stepped by the distance to the next surface; between two samples
//! the distance is taken as linear, so that a shell thinner than a step still counts with its exact share.

use wide::f32x8;

use crate::math::{Pose, V3, v};

/// Eight points.
#[derive(Clone, Copy)]
pub struct P8 {
    pub x: f32x8,
    pub y: f32x8,
    pub z: f32x8,
}

fn s(value: f32) -> f32x8 {
    f32x8::splat(value)
}

/// A tapered capsule with an elliptical cross-section; a sphere where both ends meet.
#[derive(Clone, Debug)]
pub struct Cone {
    pub a: V3,
    pub b: V3,
    pub ra: f32,
    pub rb: f32,
    /// The axis along which the radius is `flat` times as large (unit length).
    pub axis: V3,
    pub flat: f32,
    /// Shell thickness at both ends.
    pub shell: [f32; 2],
    /// The shell is thicker by this share on the side that this vector points to.
    pub thick: V3,
    /// Density inside the shell, as a share of the shell's own.
    pub fill: f32,
    /// Radius of the smooth joint with what came before in the group.
    pub blend: f32,
}

impl Cone {
    pub fn new(a: V3, b: V3, ra: f32, rb: f32) -> Cone {
        Cone {
            a,
            b,
            ra,
            rb,
            axis: v(0.0, 0.0, 1.0),
            flat: 1.0,
            shell: [1.2, 1.2],
            thick: V3::default(),
            fill: 0.15,
            blend: 4.0,
        }
    }
    pub fn sphere(centre: V3, radius: f32) -> Cone {
        Cone::new(centre, centre, radius, radius)
    }
    pub fn flat(mut self, axis: V3, factor: f32) -> Cone {
        self.axis = axis.unit();
        self.flat = factor;
        self
    }
    pub fn shell(mut self, a: f32, b: f32) -> Cone {
        self.shell = [a, b];
        self
    }
    pub fn thick(mut self, towards: V3, share: f32) -> Cone {
        self.thick = towards.unit() * share;
        self
    }
    pub fn fill(mut self, fill: f32) -> Cone {
        self.fill = fill;
        self
    }
    pub fn blend(mut self, blend: f32) -> Cone {
        self.blend = blend;
        self
    }
    fn posed(&self, pose: &Pose) -> Cone {
        let k = pose.size();
        Cone {
            a: pose.point(self.a),
            b: pose.point(self.b),
            ra: self.ra * k,
            rb: self.rb * k,
            axis: pose.direction(self.axis),
            shell: [self.shell[0] * k, self.shell[1] * k],
            thick: pose.direction(self.thick),
            blend: self.blend * k,
            ..self.clone()
        }
    }
    /// The largest radius at the ends, flattening included.
    fn reach(&self) -> (f32, f32) {
        let f = self.flat.max(1.0);
        (self.ra * f, self.rb * f)
    }
}

/// A box with rounded edges.
#[derive(Clone, Debug)]
pub struct Block {
    pub centre: V3,
    pub axes: [V3; 3],
    /// Half sizes along the axes, rounding included.
    pub half: [f32; 3],
    pub round: f32,
    pub shell: f32,
    pub fill: f32,
    pub blend: f32,
}

/// Part of a spherical shell: the iliac wing, the acetabular wall, a diaphragm.
#[derive(Clone, Debug)]
pub struct Dish {
    pub centre: V3,
    pub radius: f32,
    pub half_thickness: f32,
    /// The shell is kept inside this ...
    pub inside: Option<Cone>,
    /// ... and where `normal · (p - centre) < offset`.
    pub plane: Option<(V3, f32)>,
    pub shell: f32,
    pub fill: f32,
    pub blend: f32,
}

#[derive(Clone, Debug)]
pub enum Prim {
    Cone(Cone),
    Block(Block),
    Dish(Dish),
}

impl From<Cone> for Prim {
    fn from(cone: Cone) -> Prim {
        Prim::Cone(cone)
    }
}
impl From<Block> for Prim {
    fn from(block: Block) -> Prim {
        Prim::Block(block)
    }
}
impl From<Dish> for Prim {
    fn from(dish: Dish) -> Prim {
        Prim::Dish(dish)
    }
}

impl Prim {
    pub fn posed(&self, pose: &Pose) -> Prim {
        let k = pose.size();
        match self {
            Prim::Cone(c) => Prim::Cone(c.posed(pose)),
            Prim::Block(b) => Prim::Block(Block {
                centre: pose.point(b.centre),
                axes: b.axes.map(|a| pose.direction(a)),
                half: b.half.map(|h| h * k),
                round: b.round * k,
                shell: b.shell * k,
                blend: b.blend * k,
                fill: b.fill,
            }),
            Prim::Dish(d) => Prim::Dish(Dish {
                centre: pose.point(d.centre),
                radius: d.radius * k,
                half_thickness: d.half_thickness * k,
                inside: d.inside.as_ref().map(|c| c.posed(pose)),
                plane: d.plane.map(|(n, o)| (pose.direction(n), o * k)),
                shell: d.shell * k,
                blend: d.blend * k,
                fill: d.fill,
            }),
        }
    }

    /// A segment with radii at its ends that holds the primitive.
    pub fn bound(&self) -> (V3, V3, f32, f32) {
        match self {
            Prim::Cone(c) => {
                let (ra, rb) = c.reach();
                (c.a, c.b, ra, rb)
            }
            Prim::Block(b) => {
                let r = (b.half[0].powi(2) + b.half[1].powi(2) + b.half[2].powi(2)).sqrt();
                (b.centre, b.centre, r, r)
            }
            Prim::Dish(d) => match &d.inside {
                Some(c) => {
                    let (ra, rb) = c.reach();
                    (c.a, c.b, ra, rb)
                }
                None => {
                    let r = d.radius + d.half_thickness;
                    (d.centre, d.centre, r, r)
                }
            },
        }
    }

    fn blend(&self) -> f32 {
        match self {
            Prim::Cone(c) => c.blend,
            Prim::Block(b) => b.blend,
            Prim::Dish(d) => d.blend,
        }
    }

    /// Distance (negative inside), shell thickness and fill at eight points.
    #[inline(always)]
    fn sample(&self, p: &P8) -> (f32x8, f32x8, f32x8) {
        match self {
            Prim::Cone(c) => cone_sample(c, p),
            Prim::Block(b) => {
                let (dx, dy, dz) = (p.x - s(b.centre.x), p.y - s(b.centre.y), p.z - s(b.centre.z));
                let axis = |i: usize| {
                    let a = b.axes[i];
                    (dx * s(a.x) + dy * s(a.y) + dz * s(a.z)).abs() - s(b.half[i] - b.round)
                };
                let (qx, qy, qz) = (axis(0), axis(1), axis(2));
                let zero = s(0.0);
                let (ox, oy, oz) = (qx.fast_max(zero), qy.fast_max(zero), qz.fast_max(zero));
                let outside = (ox * ox + oy * oy + oz * oz).sqrt();
                let inside = qx.fast_max(qy.fast_max(qz)).fast_min(zero);
                (outside + inside - s(b.round), s(b.shell), s(b.fill))
            }
            Prim::Dish(d) => {
                let (dx, dy, dz) = (p.x - s(d.centre.x), p.y - s(d.centre.y), p.z - s(d.centre.z));
                let r = (dx * dx + dy * dy + dz * dz).sqrt();
                let mut distance = (r - s(d.radius)).abs() - s(d.half_thickness);
                if let Some(c) = &d.inside {
                    distance = distance.fast_max(cone_sample(c, p).0);
                }
                if let Some((n, offset)) = d.plane {
                    distance = distance.fast_max(dx * s(n.x) + dy * s(n.y) + dz * s(n.z) - s(offset));
                }
                (distance, s(d.shell), s(d.fill))
            }
        }
    }
}

#[inline(always)]
fn cone_sample(c: &Cone, p: &P8) -> (f32x8, f32x8, f32x8) {
    let ab = c.b - c.a;
    let length2 = ab.dot(ab);
    let inverse = if length2 > 1e-6 { 1.0 / length2 } else { 0.0 };
    let (dx, dy, dz) = (p.x - s(c.a.x), p.y - s(c.a.y), p.z - s(c.a.z));
    let t = ((dx * s(ab.x) + dy * s(ab.y) + dz * s(ab.z)) * s(inverse))
        .fast_max(s(0.0))
        .fast_min(s(1.0));
    let (qx, qy, qz) = (dx - s(ab.x) * t, dy - s(ab.y) * t, dz - s(ab.z) * t);
    let radius = s(c.ra) + s(c.rb - c.ra) * t;
    let q2 = qx * qx + qy * qy + qz * qz + s(1e-4);
    let (distance, q) = if c.flat == 1.0 {
        let q = q2.sqrt();
        (q - radius, q)
    } else {
        let f2 = 1.0 / (c.flat * c.flat);
        let qn = qx * s(c.axis.x) + qy * s(c.axis.y) + qz * s(c.axis.z);
        let qn2 = qn * qn;
        let k0 = (q2 + qn2 * s(f2 - 1.0)).sqrt();
        let k1 = (q2 + qn2 * s(f2 * f2 - 1.0)).sqrt();
        (k0 * (k0 - radius) / k1, k0)
    };
    let mut shell = s(c.shell[0]) + s(c.shell[1] - c.shell[0]) * t;
    if c.thick != V3::default() {
        let towards = (qx * s(c.thick.x) + qy * s(c.thick.y) + qz * s(c.thick.z)) / q.fast_max(s(1.0));
        shell *= (s(1.0) + towards).fast_max(s(0.25));
    }
    (distance, shell, s(c.fill))
}

/// A plane that ends a solid with its own shell: the face of the symphysis.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub point: V3,
    /// Points out of the solid.
    pub normal: V3,
}

/// A jagged plane that ends a fragment without a shell: a fracture surface or a growth plate.
#[derive(Clone, Debug)]
pub struct Clip {
    pub point: V3,
    /// Points out of the fragment.
    pub normal: V3,
    /// How far the fragment's end stays behind the plane.
    pub gap: f32,
    /// Two directions in the plane, and the jags' height in mm.
    pub across: [V3; 2],
    pub jag: f32,
    pub jag_length: f32,
    pub phase: f32,
}

impl Clip {
    pub fn new(point: V3, normal: V3) -> Clip {
        let normal = normal.unit();
        let helper = if normal.x.abs() < 0.7 {
            v(1.0, 0.0, 0.0)
        } else {
            v(0.0, 1.0, 0.0)
        };
        let first = normal.cross(helper).unit();
        Clip {
            point,
            normal,
            gap: 0.0,
            across: [first, normal.cross(first)],
            jag: 0.0,
            jag_length: 9.0,
            phase: 0.0,
        }
    }
    pub fn posed(&self, pose: &Pose) -> Clip {
        Clip {
            point: pose.point(self.point),
            normal: pose.direction(self.normal),
            across: self.across.map(|a| pose.direction(a)),
            gap: self.gap * pose.size(),
            jag: self.jag * pose.size(),
            jag_length: self.jag_length * pose.size(),
            phase: self.phase,
        }
    }
    /// The fragment on the other side of the same surface.
    pub fn flipped(&self) -> Clip {
        // The jags are added along the normal, so their sign turns with it.
        Clip {
            normal: -self.normal,
            jag: -self.jag,
            ..self.clone()
        }
    }
    #[inline(always)]
    fn distance(&self, p: &P8) -> f32x8 {
        let (dx, dy, dz) = (p.x - s(self.point.x), p.y - s(self.point.y), p.z - s(self.point.z));
        let along = |a: V3| dx * s(a.x) + dy * s(a.y) + dz * s(a.z);
        let mut distance = along(self.normal) + s(self.gap);
        if self.jag != 0.0 {
            let u = along(self.across[0]) * s(1.0 / self.jag_length) + s(self.phase);
            let w = along(self.across[1]) * s(1.0 / self.jag_length) + s(self.phase * 1.7);
            let saw = |x: f32x8| {
                let f = x - x.floor();
                (f - s(0.5)).abs() * s(4.0) - s(1.0)
            };
            let jags = saw(u * s(0.57) + w * s(0.19))
                + saw(w * s(0.83) - u * s(0.37)) * s(0.6)
                + saw(u * s(1.93) + w * s(0.71)) * s(0.35)
                + saw(u * s(4.1) - w * s(1.3)) * s(0.16);
            distance += jags * s(self.jag);
        }
        distance
    }
}

/// What a group is made of, and so where its lengths go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Matter {
    /// Shell: cortical bone; inside: cancellous bone as a share of it.
    Bone,
    /// Shell: fat; inside: muscle.
    Body,
    /// Takes soft tissue away: lung, large airways (fill = share of tissue taken away).
    Air,
    /// Puts soft tissue back into air: heart, vessels (fill = share of muscle density).
    Tissue,
    /// Titanium alloy.
    Titanium,
    /// Cobalt-chromium or steel.
    Steel,
}

/// Where the trabecular pattern of a femur lies.
#[derive(Clone, Debug)]
pub struct Grain {
    /// From the femur's own frame (origin head centre, x lateral, y up) to the room.
    pub pose: Pose,
    pub neck_length: f32,
    pub neck_shaft: f32,
    pub head_radius: f32,
    /// 0 dense young bone .. 1 only the compressive group left.
    pub loss: f32,
    /// 0 as usual, 1 the coarse trabeculae of Paget's disease.
    pub coarse: f32,
    pub seed: u32,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub matter: Matter,
    pub prims: Vec<Prim>,
    pub carves: Vec<Cone>,
    pub cuts: Vec<Cut>,
    pub clips: Vec<Clip>,
    pub grain: Option<Grain>,
}

impl Group {
    pub fn new(matter: Matter) -> Group {
        Group {
            matter,
            prims: Vec::new(),
            carves: Vec::new(),
            cuts: Vec::new(),
            clips: Vec::new(),
            grain: None,
        }
    }
    pub fn push(&mut self, prim: impl Into<Prim>) {
        self.prims.push(prim.into());
    }
    pub fn posed(&self, pose: &Pose) -> Group {
        Group {
            matter: self.matter,
            prims: self.prims.iter().map(|p| p.posed(pose)).collect(),
            carves: self.carves.iter().map(|c| c.posed(pose)).collect(),
            cuts: self
                .cuts
                .iter()
                .map(|c| Cut {
                    point: pose.point(c.point),
                    normal: pose.direction(c.normal),
                })
                .collect(),
            clips: self.clips.iter().map(|c| c.posed(pose)).collect(),
            grain: self.grain.as_ref().map(|g| Grain {
                pose: g.pose.then(pose),
                ..g.clone()
            }),
        }
    }

    /// Signed distance to the group's surface at one point, fracture surfaces left out.
    pub fn distance(&self, p: V3) -> f32 {
        let p8 = P8 {
            x: s(p.x),
            y: s(p.y),
            z: s(p.z),
        };
        let all: Vec<&Prim> = self.prims.iter().collect();
        let carves: Vec<&Cone> = self.carves.iter().collect();
        field(&all, &carves, &self.cuts, &p8).0.to_array()[0]
    }
}

#[inline(always)]
fn field(prims: &[&Prim], carves: &[&Cone], cuts: &[Cut], p: &P8) -> (f32x8, f32x8, f32x8) {
    let (mut d, mut c, mut m) = (s(1e3), s(1.0), s(0.0));
    for (index, prim) in prims.iter().enumerate() {
        let (d2, c2, m2) = prim.sample(p);
        if index == 0 {
            (d, c, m) = (d2, c2, m2);
            continue;
        }
        let k = prim.blend();
        let h = (s(0.5) + (d - d2) * s(0.5 / k)).fast_max(s(0.0)).fast_min(s(1.0));
        d = d + (d2 - d) * h - h * (s(1.0) - h) * s(k);
        c += (c2 - c) * h;
        m += (m2 - m) * h;
    }
    for carve in carves {
        d = d.fast_max(-cone_sample(carve, p).0);
    }
    for cut in cuts {
        let (n, o) = (cut.normal, cut.point);
        d = d.fast_max((p.x - s(o.x)) * s(n.x) + (p.y - s(o.y)) * s(n.y) + (p.z - s(o.z)) * s(n.z));
    }
    (d, c, m)
}

/// Where the rays come from: a point source over a flat detector at z = 0.
#[derive(Clone, Copy, Debug)]
pub struct Tube {
    /// The focal spot; its z is the distance between source and image.
    pub source: V3,
}

impl Tube {
    /// Where a point of the patient falls on the detector, mm.
    pub fn project(&self, p: V3) -> [f32; 2] {
        let k = self.source.z / (self.source.z - p.z);
        [
            self.source.x + (p.x - self.source.x) * k,
            self.source.y + (p.y - self.source.y) * k,
        ]
    }
    /// How much larger a thing at this height is on the detector.
    pub fn magnification(&self, z: f32) -> f32 {
        self.source.z / (self.source.z - z)
    }
}

/// The members of a group that rays through one patch of the detector can meet, and between which heights.
pub struct Near<'a> {
    prims: Vec<&'a Prim>,
    carves: Vec<&'a Cone>,
    low: f32,
    high: f32,
}

/// How far a circle on the detector is from the shadow of a tapered capsule, mm; the heights it spans in there.
fn shadow(tube: &Tube, bound: (V3, V3, f32, f32), centre: [f32; 2], reach: f32, margin: f32) -> Option<(f32, f32)> {
    let (a, b, ra, rb) = bound;
    let top = a.z.max(b.z) + ra.max(rb);
    let k = tube.magnification(top.min(tube.source.z * 0.8));
    let (pa, pb) = (tube.project(a), tube.project(b));
    let (ux, uy) = (pb[0] - pa[0], pb[1] - pa[1]);
    let length2 = ux * ux + uy * uy;
    let (cx, cy) = (centre[0] - pa[0], centre[1] - pa[1]);
    let t = if length2 > 1e-6 {
        ((cx * ux + cy * uy) / length2).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let gap = ((cx - ux * t).powi(2) + (cy - uy * t).powi(2)).sqrt();
    let radius = ra.max(rb);
    let local = ra + (rb - ra) * t;
    // A taper can reach a little further beside its nearest point; the larger radius is always safe there.
    let slope = if length2 > 1e-6 {
        (rb - ra).abs() / length2.sqrt().max(radius)
    } else {
        0.0
    };
    let bound_here = local + slope * radius;
    if gap > (bound_here.min(radius) + margin) * k + reach {
        return None;
    }
    // Along the capsule only the stretch near the patch matters for the heights.
    let stretch = if length2 > 1e-6 {
        ((radius + margin) * k + reach) / length2.sqrt()
    } else {
        1.0
    };
    let (t0, t1) = ((t - stretch).max(0.0), (t + stretch).min(1.0));
    let (z0, z1) = (a.z + (b.z - a.z) * t0, a.z + (b.z - a.z) * t1);
    Some((z0.min(z1) - radius - margin, z0.max(z1) + radius + margin))
}

impl Group {
    /// The rectangle on the detector that holds the group's shadow: left, lowest, right, highest.
    pub fn bounds(&self, tube: &Tube) -> [f32; 4] {
        let mut out = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for prim in &self.prims {
            let (a, b, ra, rb) = prim.bound();
            for (p, r) in [(a, ra), (b, rb)] {
                let k = tube.magnification((p.z + r).min(tube.source.z * 0.8));
                let [x, y] = tube.project(p);
                let reach = (r + prim.blend()) * k * 1.1;
                out = [
                    out[0].min(x - reach),
                    out[1].min(y - reach),
                    out[2].max(x + reach),
                    out[3].max(y + reach),
                ];
            }
        }
        out
    }

    /// Picks what a round patch of the detector can see; `None` where that is nothing.
    pub fn near(&self, tube: &Tube, centre: [f32; 2], reach: f32) -> Option<Near<'_>> {
        let mut near = Near {
            prims: Vec::new(),
            carves: Vec::new(),
            low: f32::MAX,
            high: f32::MIN,
        };
        for prim in &self.prims {
            if let Some((low, high)) = shadow(tube, prim.bound(), centre, reach, prim.blend()) {
                near.prims.push(prim);
                near.low = near.low.min(low);
                near.high = near.high.max(high);
            }
        }
        if near.prims.is_empty() {
            return None;
        }
        for carve in &self.carves {
            let (ra, rb) = carve.reach();
            if shadow(tube, (carve.a, carve.b, ra, rb), centre, reach, 1.0).is_some() {
                near.carves.push(carve);
            }
        }
        Some(near)
    }

    /// Lengths (mm) of shell and of inside times fill along eight rays to the detector points `x`, `y`.
    #[inline(never)]
    pub fn lengths(&self, near: &Near<'_>, tube: &Tube, x: f32x8, y: f32x8, finest: f32) -> (f32x8, f32x8) {
        let source = tube.source;
        let (sx, sy) = (
            (s(source.x) - x) * s(1.0 / source.z),
            (s(source.y) - y) * s(1.0 / source.z),
        );
        // Length along the ray for a millimetre of height.
        let slant = (sx * sx + sy * sy + s(1.0)).sqrt();
        let zero = s(0.0);
        let (mut shell_sum, mut fill_sum) = (zero, zero);
        let at = |z: f32| P8 {
            x: x + sx * s(z),
            y: y + sy * s(z),
            z: s(z),
        };
        let mut z = near.low;
        let p = at(z);
        let (mut d0, mut c0, mut m0) = field(&near.prims, &near.carves, &self.cuts, &p);
        let clip_at = |p: &P8| {
            let mut worst = s(-1e3);
            for clip in &self.clips {
                worst = worst.fast_max(clip.distance(p));
            }
            worst
        };
        let clipped = !self.clips.is_empty();
        let mut e0 = if clipped { clip_at(&p) } else { s(-1e3) };
        while z < near.high {
            // How far each ray may go without crossing a border, in distance; the shortest counts for all.
            let to_border = d0.fast_max((-d0).fast_min((d0 + c0).abs()));
            let mut step = to_border * s(0.9);
            if clipped {
                // Past a fracture surface there is nothing to find until the ray is back.
                step = step.fast_min(e0.abs().fast_max(s(finest))).fast_max(e0 * s(0.7));
            }
            let shortest = step.to_array().into_iter().fold(40.0_f32, f32::min);
            let dz = shortest.max(finest).min((near.high - z).max(1e-3));
            z += dz;
            let p = at(z);
            let (d1, c1, m1) = field(&near.prims, &near.carves, &self.cuts, &p);
            let low = d0.fast_min(d1);
            let span = (d0.fast_max(d1) - low).fast_max(s(1e-3));
            let inverse = s(1.0) / span;
            let share = |level: f32x8| ((level - low) * inverse).fast_max(zero).fast_min(s(1.0));
            let inside = share(zero);
            let deep = share((c0 + c1) * s(-0.5));
            let mut length = slant * s(dz);
            if clipped {
                let e1 = clip_at(&p);
                let low = e0.fast_min(e1);
                let span = (e0.fast_max(e1) - low).fast_max(s(1e-3));
                length *= ((zero - low) / span).fast_max(zero).fast_min(s(1.0));
                e0 = e1;
            }
            shell_sum += (inside - deep) * length;
            fill_sum += deep * (m0 + m1) * s(0.5) * length;
            (d0, c0, m0) = (d1, c1, m1);
        }
        (shell_sum, fill_sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(group: &Group, tube: &Tube, x: f32, y: f32) -> (f32, f32) {
        let near = group.near(tube, [x, y], 1.0).expect("the patch sees the solid");
        let (shell, fill) = group.lengths(&near, tube, s(x), s(y), 0.5);
        (shell.to_array()[0], fill.to_array()[0])
    }

    #[test]
    fn a_sphere_casts_its_closed_form() {
        let tube = Tube {
            source: v(30.0, -20.0, 1100.0),
        };
        let mut group = Group::new(Matter::Bone);
        let (centre, radius, shell) = (v(10.0, 5.0, 180.0), 24.0, 2.0);
        group.push(Cone::sphere(centre, radius).shell(shell, shell).fill(1.0));
        for (dx, dy) in [(0.0, 0.0), (8.0, 3.0), (-15.0, 10.0), (20.0, -6.0)] {
            let hit = tube.project(centre + v(dx, dy, 0.0));
            let (got_shell, got_fill) = chord(&group, &tube, hit[0], hit[1]);
            // Distance of the ray from the centre.
            let on = v(hit[0], hit[1], 0.0);
            let along = (tube.source - on).unit();
            let off = (centre - on).cross(along).length();
            let full = |r: f32| 2.0 * (r * r - off * off).max(0.0).sqrt();
            let (want_fill, want_shell) = (full(radius - shell), full(radius) - full(radius - shell));
            assert!(
                (got_fill - want_fill).abs() < 0.35,
                "inside {got_fill} instead of {want_fill} at {dx},{dy}"
            );
            assert!(
                (got_shell - want_shell).abs() < 0.35,
                "shell {got_shell} instead of {want_shell} at {dx},{dy}"
            );
        }
    }

    #[test]
    fn a_tube_casts_its_closed_form() {
        // A shaft along y, 14 mm thick outside, 5 mm cortex: across its middle and half-way out.
        let tube = Tube {
            source: v(0.0, 0.0, 1.0e6),
        };
        let mut group = Group::new(Matter::Bone);
        group.push(
            Cone::new(v(0.0, -200.0, 150.0), v(0.0, 200.0, 150.0), 14.0, 14.0)
                .shell(5.0, 5.0)
                .fill(1.0),
        );
        for off in [0.0_f32, 4.0, 7.0, 10.0, 12.5] {
            let (got_shell, got_fill) = chord(&group, &tube, off, 0.0);
            let full = |r: f32| 2.0 * (r * r - off * off).max(0.0).sqrt();
            assert!(
                (got_fill - full(9.0)).abs() < 0.3,
                "canal {got_fill} instead of {}",
                full(9.0)
            );
            let want = full(14.0) - full(9.0);
            assert!(
                (got_shell - want).abs() < 0.4,
                "cortex {got_shell} instead of {want} at {off}"
            );
        }
    }

    #[test]
    fn a_clip_halves_a_sphere() {
        let tube = Tube {
            source: v(0.0, 0.0, 1.0e6),
        };
        let mut group = Group::new(Matter::Bone);
        group.push(Cone::sphere(v(0.0, 0.0, 100.0), 20.0).shell(0.0, 0.0).fill(1.0));
        group.clips.push(Clip::new(v(0.0, 0.0, 100.0), v(0.0, 0.0, 1.0)));
        let (_, fill) = chord(&group, &tube, 0.0, 0.0);
        assert!((fill - 20.0).abs() < 0.3, "{fill}");
    }

    #[test]
    fn a_pose_and_its_inverse_meet() {
        let pose = Pose::turn_x(20.0)
            .then(&Pose::turn_y(-35.0))
            .then(&Pose::scale(0.8))
            .then(&Pose::shift(v(3.0, 4.0, 5.0)));
        let p = v(12.0, -7.0, 30.0);
        assert!((pose.inverse_point(pose.point(p)) - p).length() < 1e-3);
    }
}
