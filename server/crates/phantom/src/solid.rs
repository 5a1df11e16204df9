//! Solids as signed distances, and the integral of their material along rays.
//!
//! A group is one smooth union of primitives with a shell (the cortex of a bone, the fat under skin) and an
//! inside. Rays are taken eight at a time and stepped by the distance to the next surface; between two samples
//! the distance is taken as linear, so that a shell thinner than a step still counts with its exact share.

use crate::lanes::{F8, Narrow, Width};
use crate::math::{Pose, V3, v};

/// Eight points.
#[derive(Clone, Copy)]
pub struct P8<W: Width> {
    pub x: F8<W>,
    pub y: F8<W>,
    pub z: F8<W>,
}

impl<W: Width> P8<W> {
    #[inline(always)]
    fn from(self, point: V3) -> P8<W> {
        let w = self.x.width();
        P8 {
            x: self.x - s(w, point.x),
            y: self.y - s(w, point.y),
            z: self.z - s(w, point.z),
        }
    }
    #[inline(always)]
    fn along(self, direction: V3) -> F8<W> {
        let w = self.x.width();
        self.x * s(w, direction.x) + self.y * s(w, direction.y) + self.z * s(w, direction.z)
    }
    #[inline(always)]
    fn square(self) -> F8<W> {
        self.x * self.x + self.y * self.y + self.z * self.z
    }
}

#[inline(always)]
fn s<W: Width>(width: W, value: f32) -> F8<W> {
    F8::splat(width, value)
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
    fn sample<W: Width>(&self, p: &P8<W>) -> (F8<W>, F8<W>, F8<W>) {
        let w = p.x.width();
        match self {
            Prim::Cone(c) => cone_sample(c, p),
            Prim::Block(b) => {
                let d = p.from(b.centre);
                let qx = d.along(b.axes[0]).abs() - s(w, b.half[0] - b.round);
                let qy = d.along(b.axes[1]).abs() - s(w, b.half[1] - b.round);
                let qz = d.along(b.axes[2]).abs() - s(w, b.half[2] - b.round);
                let zero = s(w, 0.0);
                let outside = P8 {
                    x: qx.max(zero),
                    y: qy.max(zero),
                    z: qz.max(zero),
                };
                let inside = qx.max(qy.max(qz)).min(zero);
                (
                    outside.square().sqrt() + inside - s(w, b.round),
                    s(w, b.shell),
                    s(w, b.fill),
                )
            }
            Prim::Dish(d) => {
                let from = p.from(d.centre);
                let r = from.square().sqrt();
                let mut distance = (r - s(w, d.radius)).abs() - s(w, d.half_thickness);
                if let Some(c) = &d.inside {
                    distance = distance.max(cone_sample(c, p).0);
                }
                if let Some((n, offset)) = d.plane {
                    distance = distance.max(from.along(n) - s(w, offset));
                }
                (distance, s(w, d.shell), s(w, d.fill))
            }
        }
    }
}

#[inline(always)]
fn cone_sample<W: Width>(c: &Cone, p: &P8<W>) -> (F8<W>, F8<W>, F8<W>) {
    let w = p.x.width();
    let ab = c.b - c.a;
    let length2 = ab.dot(ab);
    let inverse = if length2 > 1e-6 { 1.0 / length2 } else { 0.0 };
    let d = p.from(c.a);
    let t = (d.along(ab) * s(w, inverse)).max(s(w, 0.0)).min(s(w, 1.0));
    let q = P8 {
        x: d.x - s(w, ab.x) * t,
        y: d.y - s(w, ab.y) * t,
        z: d.z - s(w, ab.z) * t,
    };
    let radius = s(w, c.ra) + s(w, c.rb - c.ra) * t;
    let q2 = q.square() + s(w, 1e-4);
    let (distance, far) = if c.flat == 1.0 {
        let far = q2.sqrt();
        (far - radius, far)
    } else {
        let f2 = 1.0 / (c.flat * c.flat);
        let qn = q.along(c.axis);
        let qn2 = qn * qn;
        let k0 = (q2 + qn2 * s(w, f2 - 1.0)).sqrt();
        let k1 = (q2 + qn2 * s(w, f2 * f2 - 1.0)).sqrt();
        (k0 * (k0 - radius) / k1, k0)
    };
    let mut shell = s(w, c.shell[0]) + s(w, c.shell[1] - c.shell[0]) * t;
    if c.thick != V3::default() {
        let towards = q.along(c.thick) / far.max(s(w, 1.0));
        shell = shell * (s(w, 1.0) + towards).max(s(w, 0.25));
    }
    (distance, shell, s(w, c.fill))
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
    fn distance<W: Width>(&self, p: &P8<W>) -> F8<W> {
        let w = p.x.width();
        let from = p.from(self.point);
        let mut distance = from.along(self.normal) + s(w, self.gap);
        if self.jag != 0.0 {
            let u = from.along(self.across[0]) * s(w, 1.0 / self.jag_length) + s(w, self.phase);
            let v = from.along(self.across[1]) * s(w, 1.0 / self.jag_length) + s(w, self.phase * 1.7);
            let jags = saw(u * s(w, 0.57) + v * s(w, 0.19))
                + saw(v * s(w, 0.83) - u * s(w, 0.37)) * s(w, 0.6)
                + saw(u * s(w, 1.93) + v * s(w, 0.71)) * s(w, 0.35)
                + saw(u * s(w, 4.1) - v * s(w, 1.3)) * s(w, 0.16);
            distance = distance + jags * s(w, self.jag);
        }
        distance
    }
}

#[inline(always)]
fn saw<W: Width>(x: F8<W>) -> F8<W> {
    let w = x.width();
    (x.fraction() - s(w, 0.5)).abs() * s(w, 4.0) - s(w, 1.0)
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
            x: s(Narrow, p.x),
            y: s(Narrow, p.y),
            z: s(Narrow, p.z),
        };
        let all: Vec<&Prim> = self.prims.iter().collect();
        let carves: Vec<&Cone> = self.carves.iter().collect();
        field(&all, &carves, &self.cuts, &p8).0.array()[0]
    }
}

#[inline(always)]
fn field<W: Width>(prims: &[&Prim], carves: &[&Cone], cuts: &[Cut], p: &P8<W>) -> (F8<W>, F8<W>, F8<W>) {
    let w = p.x.width();
    let (mut d, mut c, mut m) = (s(w, 1e3), s(w, 1.0), s(w, 0.0));
    for (index, prim) in prims.iter().enumerate() {
        let (d2, c2, m2) = prim.sample(p);
        if index == 0 {
            (d, c, m) = (d2, c2, m2);
            continue;
        }
        let k = prim.blend();
        let h = (s(w, 0.5) + (d - d2) * s(w, 0.5 / k)).max(s(w, 0.0)).min(s(w, 1.0));
        d = d + (d2 - d) * h - h * (s(w, 1.0) - h) * s(w, k);
        c = c + (c2 - c) * h;
        m = m + (m2 - m) * h;
    }
    for carve in carves {
        d = d.max(s(w, 0.0) - cone_sample(carve, p).0);
    }
    for cut in cuts {
        d = d.max(p.from(cut.point).along(cut.normal));
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
    /// Lowest and highest height of each, as far as it counts in this patch.
    spans: Vec<[f32; 2]>,
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
    // A share of the shadow is another share of the capsule, whose nearer end is enlarged more.
    let (da, db) = (tube.source.z - a.z, tube.source.z - b.z);
    let share = |t: f32| t * da / (db + (da - db) * t);
    let (t0, t1) = (share((t - stretch).max(0.0)), share((t + stretch).min(1.0)));
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
            spans: Vec::new(),
            carves: Vec::new(),
            low: f32::MAX,
            high: f32::MIN,
        };
        for prim in &self.prims {
            if let Some((low, high)) = shadow(tube, prim.bound(), centre, reach, prim.blend()) {
                near.prims.push(prim);
                near.spans.push([low, high]);
                near.low = near.low.min(low);
                near.high = near.high.max(high);
            }
        }
        // A joint is as wide as the later of its two members says.
        let widest = near.prims.iter().map(|prim| prim.blend()).fold(0.0, f32::max);
        let joined = near.prims.iter().zip(&mut near.spans);
        for (prim, span) in joined {
            let more = widest - prim.blend();
            *span = [span[0] - more, span[1] + more];
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
}

/// As many members as are kept apart by height; where a patch sees more, all are taken at every height.
const APART: usize = 48;

impl<'a> Near<'a> {
    /// Those that a ray can meet at height `z`, in their order; the height up to which they are the same, and the
    /// next height at which one begins.
    #[inline(always)]
    fn at(&self, z: f32, kept: &mut [&'a Prim; APART]) -> (usize, f32, f32) {
        let (mut count, mut until, mut next) = (0, f32::MAX, f32::MAX);
        for (prim, [low, high]) in self.prims.iter().zip(&self.spans) {
            if *low > z {
                next = next.min(*low);
            } else if *high >= z {
                kept[count] = prim;
                count += 1;
                until = until.min(*high);
            }
        }
        (count, until, next)
    }
}

/// Eight rays to detector points, through what is near them.
pub struct Rays<'a> {
    pub group: &'a Group,
    pub near: &'a Near<'a>,
    pub tube: &'a Tube,
    pub x: [f32; 8],
    pub y: [f32; 8],
    /// The shortest step, mm.
    pub finest: f32,
}

/// What [`Rays`] come to with instructions of one width.
#[cfg(target_arch = "x86_64")]
struct At<'a, W>(&'a Rays<'a>, W);

#[cfg(target_arch = "x86_64")]
impl<W: Width> pulp::NullaryFnOnce for At<'_, W> {
    type Output = [[f32; 8]; 2];
    #[inline(always)]
    fn call(self) -> [[f32; 8]; 2] {
        self.0.with(self.1)
    }
}

impl Rays<'_> {
    /// Lengths (mm) of shell and of inside times fill.
    pub fn lengths(&self) -> [[f32; 8]; 2] {
        #[cfg(target_arch = "x86_64")]
        if let Some(wide) = pulp::x86::V3::try_new() {
            return wide.vectorize(At(self, wide));
        }
        self.narrow()
    }

    /// The same on any processor.
    #[inline(never)]
    fn narrow(&self) -> [[f32; 8]; 2] {
        self.with(Narrow)
    }

    #[inline(always)]
    fn with<W: Width>(&self, w: W) -> [[f32; 8]; 2] {
        let Rays {
            group, near, finest, ..
        } = *self;
        let source = self.tube.source;
        let (x, y) = (F8::load(w, self.x), F8::load(w, self.y));
        let (zero, one) = (s(w, 0.0), s(w, 1.0));
        let (sx, sy) = (
            (s(w, source.x) - x) * s(w, 1.0 / source.z),
            (s(w, source.y) - y) * s(w, 1.0 / source.z),
        );
        // Length along the ray for a millimetre of height.
        let slant = (sx * sx + sy * sy + one).sqrt();
        let (mut shell_sum, mut fill_sum) = (zero, zero);
        let clipped = !group.clips.is_empty();
        let Some(first) = near.prims.first() else {
            return [[0.0; 8]; 2];
        };
        let apart = near.prims.len() <= APART;
        let mut kept = [*first; APART];
        let (mut count, mut until, mut next) = (0, f32::MIN, f32::MIN);
        let (mut z, mut dz) = (near.low, 0.0_f32);
        // Distance, shell, fill and clip at the last height; nothing is known at first and behind a gap.
        let (mut d0, mut c0, mut m0, mut e0) = (zero, zero, zero, s(w, -1e3));
        let mut fresh = true;
        loop {
            if apart && (z > until || z >= next) {
                (count, until, next) = near.at(z, &mut kept);
                if count == 0 {
                    if next == f32::MAX {
                        break;
                    }
                    // Between solids that lie apart.
                    z = next;
                    fresh = true;
                    continue;
                }
            }
            let prims = if apart { &kept[..count] } else { &near.prims[..] };
            let p = P8 {
                x: x + sx * s(w, z),
                y: y + sy * s(w, z),
                z: s(w, z),
            };
            let (d1, c1, m1) = field(prims, &near.carves, &group.cuts, &p);
            let mut e1 = s(w, -1e3);
            for clip in &group.clips {
                e1 = e1.max(clip.distance(&p));
            }
            if !fresh {
                let low = d0.min(d1);
                let inverse = one / (d0.max(d1) - low).max(s(w, 1e-3));
                let inside = ((zero - low) * inverse).max(zero).min(one);
                let deep = (((c0 + c1) * s(w, -0.5) - low) * inverse).max(zero).min(one);
                let mut length = slant * s(w, dz);
                if clipped {
                    let low = e0.min(e1);
                    let span = (e0.max(e1) - low).max(s(w, 1e-3));
                    length = length * ((zero - low) / span).max(zero).min(one);
                }
                shell_sum = shell_sum + (inside - deep) * length;
                fill_sum = fill_sum + deep * (m0 + m1) * s(w, 0.5) * length;
            }
            if z >= near.high {
                break;
            }
            (d0, c0, m0, e0) = (d1, c1, m1, e1);
            fresh = false;
            // How far each ray may go without crossing a border, in distance; the shortest counts for all.
            let mut step = d0.max((zero - d0).min((d0 + c0).abs())) * s(w, 0.9);
            if clipped {
                // Past a fracture surface there is nothing to find until the ray is back.
                step = step.min(e0.abs().max(s(w, finest))).max(e0 * s(w, 0.7));
            }
            dz = step.least().min(40.0).max(finest).min((near.high - z).max(1e-3));
            if apart && z + dz > next {
                dz = (next - z).max(1e-3);
            }
            z += dz;
        }
        [shell_sum.array(), fill_sum.array()]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chord(group: &Group, tube: &Tube, x: f32, y: f32) -> (f32, f32) {
        let near = group.near(tube, [x, y], 1.0).expect("the patch sees the solid");
        let rays = Rays {
            group,
            near: &near,
            tube,
            x: [x; 8],
            y: [y; 8],
            finest: 0.5,
        };
        let [shell, fill] = rays.lengths();
        assert_eq!([shell, fill], rays.narrow(), "every width gives the same bits");
        (shell[0], fill[0])
    }

    fn point(reach: f32, low: f32, high: f32) -> impl Strategy<Value = V3> {
        (-reach..reach, -reach..reach, low..high).prop_map(|(x, y, z)| v(x, y, z))
    }

    /// How far a ray from a detector point to the tube passes a line (or a point) by.
    fn passes(tube: &Tube, hit: [f32; 2], through: V3, along: V3) -> f32 {
        let on = v(hit[0], hit[1], 0.0);
        let ray = (tube.source - on).unit();
        let across = ray.cross(along);
        if across.length() < 1e-4 {
            (through - on).cross(ray).length()
        } else {
            ((through - on).dot(across.unit())).abs()
        }
    }

    /// Whether a length is what a radius gives that is right to a detector's finest pitch, 0.1 mm; beside a tangent the
    /// length itself says little.
    fn like(full: impl Fn(f32) -> f32, radius: f32, got: f32) -> bool {
        (full(radius - 0.1) - 0.05..full(radius + 0.1) + 0.05).contains(&got)
    }

    proptest! {
        #[test]
        fn any_sphere_casts_its_closed_form(
            centre in point(150.0, 60.0, 250.0),
            source in point(40.0, 1000.0, 1900.0),
            radius in 6.0_f32..40.0,
            shell in 0.4_f32..3.0,
            off in 0.0_f32..0.93,
            angle in 0.0_f32..std::f32::consts::TAU,
        ) {
            let tube = Tube { source };
            let mut group = Group::new(Matter::Bone);
            group.push(Cone::sphere(centre, radius).shell(shell, shell).fill(1.0));
            let aside = off * (radius - shell);
            let hit = tube.project(centre + v(angle.cos(), angle.sin(), 0.0) * aside);
            let (got_shell, got_fill) = chord(&group, &tube, hit[0], hit[1]);
            let past = passes(&tube, hit, centre, v(0.0, 0.0, 0.0));
            let full = |r: f32| 2.0 * (r * r - past * past).max(0.0).sqrt();
            prop_assert!(like(full, radius - shell, got_fill), "inside {got_fill}, not {}", full(radius - shell));
            prop_assert!(like(full, radius, got_shell + got_fill), "{}, not {}", got_shell + got_fill, full(radius));
        }

        #[test]
        fn any_cylinder_casts_its_closed_form(
            middle in point(120.0, 80.0, 200.0),
            source in point(40.0, 1000.0, 1900.0),
            lean in (-0.6_f32..0.6, -0.3_f32..0.3),
            radius in 6.0_f32..20.0,
            wall in 0.15_f32..0.6,
            off in 0.0_f32..0.9,
        ) {
            // Far longer than what the ray meets, so that its round ends do not count.
            let along = v(lean.0, 1.0, lean.1).unit();
            let tube = Tube { source };
            let mut group = Group::new(Matter::Bone);
            let shell = radius * wall;
            group.push(
                Cone::new(middle - along * 300.0, middle + along * 300.0, radius, radius)
                    .shell(shell, shell)
                    .fill(1.0),
            );
            let aside = along.cross(v(0.0, 0.0, 1.0)).unit() * (off * (radius - shell));
            let hit = tube.project(middle + aside);
            let (got_shell, got_fill) = chord(&group, &tube, hit[0], hit[1]);
            let past = passes(&tube, hit, middle, along);
            let ray = (tube.source - v(hit[0], hit[1], 0.0)).unit();
            // A ray that is not at a right angle stays longer inside.
            let slant = ray.cross(along).length();
            let full = |r: f32| 2.0 * (r * r - past * past).max(0.0).sqrt() / slant;
            prop_assert!(like(full, radius - shell, got_fill), "inside {got_fill}, not {}", full(radius - shell));
            prop_assert!(like(full, radius, got_shell + got_fill), "{}, not {}", got_shell + got_fill, full(radius));
        }
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
