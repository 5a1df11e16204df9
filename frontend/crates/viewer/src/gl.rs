//! Draws with WebGL2: 16-bit pixels and the table of levels as textures, everything else in the shader.

use imaging::{DisplayLut, Frame, Presentation, ResolvedView, Sizes, ViewState};
use js_sys::{Float32Array, Uint16Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    HtmlCanvasElement, WebGl2RenderingContext as Gl, WebGlProgram, WebGlShader, WebGlSync, WebGlTexture,
    WebGlUniformLocation,
};

use crate::tiles::Tiles;

/// Width of the texture that holds the table of levels.
const LEVELS_WIDTH: usize = 256;

/// What a picture asks of the shader.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Kind {
    /// It is cut into several tiles.
    tiled: bool,
    colour: bool,
}

/// The shaders, and the places of their uniforms.
struct Program {
    program: WebGlProgram,
    size: Option<WebGlUniformLocation>,
    tile: Option<WebGlUniformLocation>,
    tiles: Option<WebGlUniformLocation>,
    mask: Option<WebGlUniformLocation>,
    to_image: Option<WebGlUniformLocation>,
    height: Option<WebGlUniformLocation>,
    samples: Option<WebGlUniformLocation>,
}

impl Program {
    fn new(gl: &Gl, kind: Kind) -> Option<Self> {
        let mut fragment = include_str!("shaders/picture.frag").to_owned();
        for (is, name) in [(kind.tiled, "TILED"), (kind.colour, "COLOUR")] {
            if is {
                // The version must stand in the first line.
                fragment = fragment.replacen('\n', &format!("\n#define {name}\n"), 1);
            }
        }
        let program = link(gl, include_str!("shaders/picture.vert"), &fragment)?;
        gl.use_program(Some(&program));
        let place = |name: &str| gl.get_uniform_location(&program, name);
        gl.uniform1i(place("u_pixels").as_ref(), 0);
        gl.uniform1i(place("u_levels").as_ref(), 1);
        Some(Self {
            size: place("u_size"),
            tile: place("u_tile"),
            tiles: place("u_tiles"),
            mask: place("u_mask"),
            to_image: place("u_to_image"),
            height: place("u_height"),
            samples: place("u_samples"),
            program,
        })
    }
}

/// A picture in a WebGL2 context.
pub struct GlRenderer {
    gl: Gl,
    /// For each kind of picture that there was.
    programs: Vec<(Kind, Program)>,
    pixels: Option<WebGlTexture>,
    levels: Option<WebGlTexture>,
    picture: Option<Picture>,
}

/// What the textures hold.
struct Picture {
    /// Every how many columns and rows of the frame they hold one.
    grid: u32,
    size: [usize; 2],
    tiles: Tiles,
    mask: u32,
    kind: Kind,
}

impl GlRenderer {
    /// Takes the canvas's WebGL2 context; `None` where the browser has none or cannot compile the shaders.
    pub fn new(canvas: &HtmlCanvasElement) -> Option<Self> {
        let attributes = js_sys::Object::new();
        // Reading a canvas back (a saved picture, a test) gives what is on the screen.
        for (name, value) in [
            ("antialias", false),
            ("depth", false),
            ("alpha", false),
            ("preserveDrawingBuffer", true),
        ] {
            js_sys::Reflect::set(&attributes, &JsValue::from_str(name), &JsValue::from_bool(value)).ok()?;
        }
        let gl: Gl = canvas
            .get_context_with_context_options("webgl2", &attributes)
            .ok()??
            .dyn_into()
            .ok()?;
        let kind = Kind::default();
        let programs = vec![(kind, Program::new(&gl, kind)?)];
        let mut renderer = Self {
            gl,
            programs,
            pixels: None,
            levels: None,
            picture: None,
        };
        renderer.rehearse();
        Some(renderer)
    }

    /// Draws a single pixel, so that the driver has compiled the shaders when the first picture comes.
    fn rehearse(&mut self) {
        let frame = Frame::new(1, 1, 16, vec![0]);
        if self.set_frame(&frame).is_ok() {
            self.set_levels(&Presentation::default().resolve(&frame));
            self.draw(1, 1, &ViewState::default().resolve(Sizes::of(&frame, 1, 1)), None);
            self.picture = None;
        }
        self.clear();
    }

    /// Uploads the pixels that a frame holds.
    ///
    /// # Errors
    /// The frame needs more texture memory than the browser gives.
    pub fn set_frame(&mut self, frame: &Frame) -> Result<(), String> {
        let gl = &self.gl;
        let [width, height] = frame.held();
        let limit = |name: u32| gl.get_parameter(name).ok().and_then(|v| v.as_f64()).unwrap_or(2048.0) as usize;
        let tiles = Tiles::new(width, height, limit(Gl::MAX_TEXTURE_SIZE));
        if tiles.count() > limit(Gl::MAX_ARRAY_TEXTURE_LAYERS) {
            return Err(format!("{width} × {height} pixels are more than this browser can show"));
        }
        let kind = Kind {
            tiled: tiles.count() > 1,
            colour: frame.palette.is_some(),
        };
        if self.programs.iter().all(|(of, _)| *of != kind) {
            let program = Program::new(gl, kind).ok_or("the shaders for this kind of picture do not compile")?;
            self.programs.push((kind, program));
        }
        gl.delete_texture(self.pixels.as_ref());
        self.pixels = gl.create_texture();
        gl.active_texture(Gl::TEXTURE0);
        gl.bind_texture(Gl::TEXTURE_2D_ARRAY, self.pixels.as_ref());
        nearest(gl, Gl::TEXTURE_2D_ARRAY);
        gl.tex_storage_3d(
            Gl::TEXTURE_2D_ARRAY,
            1,
            Gl::R16UI,
            tiles.width as i32,
            tiles.height as i32,
            tiles.count() as i32,
        );
        gl.pixel_storei(Gl::UNPACK_ALIGNMENT, 2);
        gl.pixel_storei(Gl::UNPACK_ROW_LENGTH, width as i32);
        let all = Uint16Array::from(frame.pixels.as_slice());
        for (layer, [x, y, w, h]) in tiles.rectangles().enumerate() {
            // The tile's first pixel is where the view of the array begins; rows are `width` apart.
            let view = all.subarray((y * width + x) as u32, all.length());
            gl.tex_sub_image_3d_with_opt_array_buffer_view(
                Gl::TEXTURE_2D_ARRAY,
                0,
                0,
                0,
                layer as i32,
                w as i32,
                h as i32,
                1,
                Gl::RED_INTEGER,
                Gl::UNSIGNED_SHORT,
                Some(&view),
            )
            .map_err(|_| "the picture could not be handed to the graphics device".to_owned())?;
        }
        gl.pixel_storei(Gl::UNPACK_ROW_LENGTH, 0);
        // To ask costs a wait for the device, and a preview is small.
        if frame.grid == 1 && gl.get_error() == Gl::OUT_OF_MEMORY {
            return Err("the graphics device has too little memory for this picture".to_owned());
        }
        self.picture = Some(Picture {
            grid: frame.grid,
            size: [width, height],
            tiles,
            mask: frame.stored_values() as u32 - 1,
            kind,
        });
        Ok(())
    }

    /// Uploads the level of every stored value.
    pub fn set_levels(&mut self, levels: &DisplayLut) {
        let gl = &self.gl;
        let (inside, format, channels) = match levels.colours() {
            None => (Gl::R32F, Gl::RED, 1),
            Some(_) => (Gl::RGB32F, Gl::RGB, 3),
        };
        let mut table = match levels.colours() {
            None => levels.levels().to_vec(),
            Some([red, green, blue]) => {
                let colours = red.iter().zip(green).zip(blue);
                colours.flat_map(|((r, g), b)| [*r, *g, *b]).collect()
            }
        };
        let row = LEVELS_WIDTH * channels;
        table.resize(table.len().next_multiple_of(row), 0.0);
        gl.delete_texture(self.levels.as_ref());
        self.levels = gl.create_texture();
        gl.active_texture(Gl::TEXTURE1);
        gl.bind_texture(Gl::TEXTURE_2D, self.levels.as_ref());
        nearest(gl, Gl::TEXTURE_2D);
        gl.pixel_storei(Gl::UNPACK_ALIGNMENT, 4);
        // It cannot fail: the array holds exactly these rows.
        let _ = gl.tex_image_2d_with_i32_and_i32_and_i32_and_format_and_type_and_opt_array_buffer_view(
            Gl::TEXTURE_2D,
            0,
            inside as i32,
            LEVELS_WIDTH as i32,
            (table.len() / row) as i32,
            0,
            format,
            Gl::FLOAT,
            Some(&Float32Array::from(table.as_slice())),
        );
    }

    /// Draws on a canvas of `width` x `height` display pixels, and in it another view of the picture in a square:
    /// its left, top and side.
    pub fn draw(&self, width: u32, height: u32, view: &ResolvedView, lens: Option<(&ResolvedView, [i32; 3])>) {
        let picture = self.picture.as_ref();
        let program = |picture: &Picture| self.programs.iter().find(|(kind, _)| *kind == picture.kind);
        let Some((picture, (_, u))) = picture.and_then(|picture| Some((picture, program(picture)?))) else {
            self.clear();
            return;
        };
        let gl = &self.gl;
        gl.viewport(0, 0, width as i32, height as i32);
        gl.use_program(Some(&u.program));
        gl.uniform2i(u.size.as_ref(), picture.size[0] as i32, picture.size[1] as i32);
        gl.uniform2i(u.tile.as_ref(), picture.tiles.width as i32, picture.tiles.height as i32);
        gl.uniform1i(u.tiles.as_ref(), picture.tiles.across as i32);
        gl.uniform1ui(u.mask.as_ref(), picture.mask);
        gl.uniform1f(u.height.as_ref(), height as f32);
        let draw = |view: &ResolvedView| {
            let view = view.thinned(picture.grid);
            gl.uniform_matrix3x2fv_with_f32_array(u.to_image.as_ref(), false, &view.to_image.0.map(|v| v as f32));
            gl.uniform1i(u.samples.as_ref(), view.samples() as i32);
            gl.draw_arrays(Gl::TRIANGLES, 0, 3);
        };
        draw(view);
        if let Some((view, [left, top, side])) = lens {
            gl.enable(Gl::SCISSOR_TEST);
            gl.scissor(left, height as i32 - top - side, side, side);
            draw(view);
            gl.disable(Gl::SCISSOR_TEST);
        }
    }

    /// What tells, from a later task of the page on, whether the device has drawn all that it was given by now.
    pub fn fence(&self) -> Option<WebGlSync> {
        let fence = self.gl.fence_sync(Gl::SYNC_GPU_COMMANDS_COMPLETE, 0);
        self.gl.flush();
        fence
    }

    /// Whether it has; asking ends the fence.
    pub fn has_passed(&self, fence: &WebGlSync) -> bool {
        let passed = self.gl.get_sync_parameter(fence, Gl::SYNC_STATUS).as_f64() == Some(f64::from(Gl::SIGNALED));
        self.gl.delete_sync(Some(fence));
        passed
    }

    /// A black canvas.
    pub fn clear(&self) {
        self.gl.clear_color(0.0, 0.0, 0.0, 1.0);
        self.gl.clear(Gl::COLOR_BUFFER_BIT);
    }
}

impl Drop for GlRenderer {
    fn drop(&mut self) {
        self.gl.delete_texture(self.pixels.as_ref());
        self.gl.delete_texture(self.levels.as_ref());
        for (_, program) in &self.programs {
            self.gl.delete_program(Some(&program.program));
        }
    }
}

/// Integer and float textures cannot be filtered; the shader interpolates.
fn nearest(gl: &Gl, target: u32) {
    for (name, value) in [
        (Gl::TEXTURE_MIN_FILTER, Gl::NEAREST),
        (Gl::TEXTURE_MAG_FILTER, Gl::NEAREST),
        (Gl::TEXTURE_WRAP_S, Gl::CLAMP_TO_EDGE),
        (Gl::TEXTURE_WRAP_T, Gl::CLAMP_TO_EDGE),
    ] {
        gl.tex_parameteri(target, name, value as i32);
    }
}

fn compile(gl: &Gl, kind: u32, source: &str) -> Option<WebGlShader> {
    let shader = gl.create_shader(kind)?;
    gl.shader_source(&shader, source);
    gl.compile_shader(&shader);
    if gl.get_shader_parameter(&shader, Gl::COMPILE_STATUS).as_bool() == Some(true) {
        return Some(shader);
    }
    let log = gl.get_shader_info_log(&shader).unwrap_or_default();
    web_sys::console::warn_1(&format!("viewer: shader does not compile: {log}").into());
    None
}

fn link(gl: &Gl, vertex: &str, fragment: &str) -> Option<WebGlProgram> {
    let program = gl.create_program()?;
    for (kind, source) in [(Gl::VERTEX_SHADER, vertex), (Gl::FRAGMENT_SHADER, fragment)] {
        gl.attach_shader(&program, &compile(gl, kind, source)?);
    }
    gl.link_program(&program);
    if gl.get_program_parameter(&program, Gl::LINK_STATUS).as_bool() == Some(true) {
        return Some(program);
    }
    let log = gl.get_program_info_log(&program).unwrap_or_default();
    web_sys::console::warn_1(&format!("viewer: shaders do not link: {log}").into());
    None
}
