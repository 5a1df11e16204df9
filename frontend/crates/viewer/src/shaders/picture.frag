#version 300 es
// The grey-scale pipeline of PS3.4 N.2, one table look-up for each stored value, then interpolation between
// the levels. Draws the same pixels as imaging's CPU renderer.
precision highp float;
precision highp int;
precision highp usampler2DArray;
precision highp sampler2D;

// Stored values; where TILED, cut into tiles of u_tile pixels, row by row, one layer each.
uniform usampler2DArray u_pixels;
// The level, 0 to 1, of every stored value, 256 to a row; where COLOUR of red, green and blue.
uniform sampler2D u_levels;
// Columns and rows of the picture.
uniform ivec2 u_size;
uniform ivec2 u_tile;
// Tiles in a row of tiles.
uniform int u_tiles;
// The largest stored value.
uniform uint u_mask;
// From display pixels, y down, to image pixels, both measured at pixel edges.
uniform mat3x2 u_to_image;
// Display pixels down.
uniform float u_height;
// Samples a side for each display pixel: more than one where the picture is shrunk; 0 takes one pixel as it is.
uniform int u_samples;

out vec4 colour;

#ifdef COLOUR
#define Level vec3
#define CHANNELS rgb
#else
#define Level float
#define CHANNELS r
#endif

Level level(ivec2 at) {
#ifdef TILED
    ivec2 tile = at / u_tile;
    ivec3 place = ivec3(at - tile * u_tile, tile.y * u_tiles + tile.x);
#else
    // Most pictures fit one texture, and the divisions cost a third of all the time.
    ivec3 place = ivec3(at, 0);
#endif
    uint raw = texelFetch(u_pixels, place, 0).r & u_mask;
    return texelFetch(u_levels, ivec2(int(raw & 255u), int(raw >> 8)), 0).CHANNELS;
}

bool outside(vec2 at) {
    return at.x < 0.0 || at.y < 0.0 || at.x >= float(u_size.x) || at.y >= float(u_size.y);
}

// Bilinear between pixel centres; outside the picture black, at its border the border's own level.
Level sampled(vec2 at) {
    if (outside(at)) return Level(0.0);
    vec2 from_centre = at - 0.5;
    vec2 low = floor(from_centre);
    vec2 part = from_centre - low;
    ivec2 a = clamp(ivec2(low), ivec2(0), u_size - 1);
    ivec2 b = clamp(ivec2(low) + 1, ivec2(0), u_size - 1);
    Level top = mix(level(a), level(ivec2(b.x, a.y)), part.x);
    Level bottom = mix(level(ivec2(a.x, b.y)), level(b), part.x);
    return mix(top, bottom, part.y);
}

void main() {
    vec2 corner = vec2(gl_FragCoord.x - 0.5, u_height - gl_FragCoord.y - 0.5);
    if (u_samples == 0) {
        vec2 at = u_to_image * vec3(corner + 0.5, 1.0);
        colour = vec4(vec3(outside(at) ? Level(0.0) : level(ivec2(at))), 1.0);
        return;
    }
    Level total = Level(0.0);
    for (int j = 0; j < u_samples; j++) {
        for (int i = 0; i < u_samples; i++) {
            vec2 at = corner + (vec2(float(i), float(j)) + 0.5) / float(u_samples);
            total += sampled(u_to_image * vec3(at, 1.0));
        }
    }
    colour = vec4(vec3(total / float(u_samples * u_samples)), 1.0);
}
