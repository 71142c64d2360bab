// Draws all points in one call of WebGL 2, or on a plain canvas where there is no WebGL.  Where a share of the points is asked for,
// as while the map moves on a slow machine, that is an even sample: points lie in the buffers in a random order.

const VERTEX = `#version 300 es
layout(location = 0) in vec2 at;
layout(location = 1) in float code;
layout(location = 2) in float state;
uniform vec2 middle, scale;
uniform float size;
uniform sampler2D palette;
out vec4 colour;
void main() {
  gl_Position = vec4((at * 2.0 - 1.0 - middle) * scale, 0.0, 1.0);
  gl_PointSize = size * (state == 1.0 ? 1.35 : 1.0);
  colour = texelFetch(palette, ivec2(int(code), 0), 0);
  colour.a *= state == 2.0 ? 0.12 : 0.82;
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 colour;
uniform float size;
out vec4 drawn;
void main() {
  float edge = 2.0 / max(size, 2.0);
  float alpha = colour.a * (1.0 - smoothstep(1.0 - edge, 1.0, 2.0 * length(gl_PointCoord - 0.5)));
  drawn = vec4(colour.rgb * alpha, alpha);
}`;

export const [PLAIN, CHOSEN, DIMMED] = [0, 1, 2];

// The width of a point in pixels of the screen.
export function pointSize(view, count) {
  const room = Math.sqrt((0.6 * Math.min(view.width, view.height) ** 2) / Math.max(count, 1));
  return Math.min(14, Math.max(2.6, 0.55 * room) * view.zoom ** 0.35);
}

// WebGL that is computed without a graphics processor is slower than a plain canvas, and taken only if `wanted` is "webgl2".
export function makeDrawing(canvas, data, wanted) {
  const options = { antialias: false, alpha: true, powerPreference: "low-power" };
  const plain = wanted === "2d" || (wanted !== "webgl2" && isComputed());
  const gl = plain ? null : canvas.getContext("webgl2", options);
  return gl ? new WebGlDrawing(canvas, gl, data) : new PlainDrawing(canvas, data);
}

// Whether there is no WebGL 2, or one without a graphics processor.
function isComputed() {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!gl) return true;
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  const name = gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

// All points in an order that is random and the same every time.
function mixedOrder(count) {
  const order = Uint32Array.from({ length: count }, (_, point) => point);
  let seed = 1;
  for (let i = count - 1; i > 0; i -= 1) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((seed / 4294967296) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function fitted(canvas, view) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  return ratio;
}

class WebGlDrawing {
  kind = "webgl2";

  constructor(canvas, gl, data) {
    Object.assign(this, { canvas, gl, data, order: mixedOrder(data.count) });
    this.codes = data.numbers;
    this.states = new Uint8Array(data.count);
    this.colours = [];
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.#make();
      this.onrestored?.();
    });
    this.#make();
  }

  #make() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.at = Object.fromEntries(["middle", "scale", "size"].map((name) => [name, gl.getUniformLocation(program, name)]));
    const { packed } = this.data;
    const mixed = new Uint16Array(packed.length);
    this.order.forEach((point, i) => mixed.set(packed.subarray(2 * point, 2 * point + 2), 2 * i));
    this.#attribute(0, mixed, 2, gl.UNSIGNED_SHORT, true);
    this.codeBuffer = this.#attribute(1, this.#mixed(this.codes), 1, gl.UNSIGNED_BYTE, false);
    this.stateBuffer = this.#attribute(2, this.#mixed(this.states), 1, gl.UNSIGNED_BYTE, false);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.clearColor(0, 0, 0, 0);
    this.paint(this.colours);
  }

  #attribute(place, values, width, kind, normalised) {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, width, kind, normalised, 0, 0);
    return buffer;
  }

  #mixed(values) {
    return Uint8Array.from(this.order, (point) => values[point]);
  }

  // Colours are [red, green, blue] from 0 to 255, one a code.
  paint(colours) {
    const { gl } = this;
    this.colours = colours;
    const texels = new Uint8Array(4 * 256).fill(255);
    colours.forEach((colour, code) => texels.set(colour, 4 * code));
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
  }

  code(codes) {
    this.codes = codes;
    this.#fill(this.codeBuffer, codes);
  }

  mark(states) {
    this.states = states;
    this.#fill(this.stateBuffer, states);
  }

  #fill(buffer, values) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, buffer);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, this.#mixed(values), this.gl.STATIC_DRAW);
  }

  draw(view, share = 1) {
    const { gl, canvas, at } = this;
    const ratio = fitted(canvas, view);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(at.middle, view.x, view.y);
    gl.uniform2f(at.scale, (2 * view.scale) / view.width, (2 * view.scale) / view.height);
    gl.uniform1f(at.size, pointSize(view, this.data.count) * ratio);
    gl.drawArrays(gl.POINTS, 0, Math.ceil(this.data.count * share));
  }
}

function grouped(points, codes) {
  const groups = new Map();
  for (const point of points) {
    if (!groups.has(codes[point])) groups.set(codes[point], []);
    groups.get(codes[point]).push(point);
  }
  return groups;
}

class PlainDrawing {
  kind = "2d";

  constructor(canvas, data) {
    Object.assign(this, { canvas, data, states: new Uint8Array(data.count), colours: [], order: mixedOrder(data.count) });
    this.pen = canvas.getContext("2d");
    this.code(data.numbers);
  }

  paint(colours) {
    this.colours = colours.map((colour) => `rgb(${colour.join(" ")})`);
    this.discs = new Map();
  }

  // A round point of a code; made once for each code and size.
  #disc(code, size) {
    const name = `${code} ${size}`;
    if (!this.discs.has(name)) {
      const disc = Object.assign(document.createElement("canvas"), { width: size, height: size });
      const pen = disc.getContext("2d");
      pen.fillStyle = this.colours[code];
      pen.arc(size / 2, size / 2, size / 2, 0, 2 * Math.PI);
      pen.fill();
      if (this.discs.size > 600) this.discs.clear();
      this.discs.set(name, disc);
    }
    return this.discs.get(name);
  }

  code(codes) {
    this.codes = codes;
    this.groups = grouped(this.order, codes);
  }

  // An even share of the points in view, by their codes.
  #seen(view, margin, share) {
    const points = [];
    this.data.within(view.area(margin), (point) => {
      if (Math.imul(point + 1, 2654435761) >>> 0 <= share * 4294967295) points.push(point);
    });
    return grouped(points, this.codes);
  }

  // An even share of all points, by their codes.
  #all(share) {
    if (share === 1) return this.groups;
    return new Map([...this.groups].map(([code, points]) => [code, points.slice(0, Math.ceil(points.length * share))]));
  }

  mark(states) {
    this.states = states;
  }

  draw(view, share = 1) {
    const { pen, canvas, data, states } = this;
    const ratio = fitted(canvas, view);
    const size = Math.round(pointSize(view, data.count) * ratio * 0.85);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (const [code, points] of view.zoom > 2 ? this.#seen(view, size, share) : this.#all(share)) {
      pen.fillStyle = this.colours[code];
      const disc = size > 3 && share === 1 ? this.#disc(code, size) : null; // squares are drawn sooner
      for (const point of points) {
        const [across, down] = view.toScreen(data.x(point), data.y(point));
        if (across < -size || down < -size || across > view.width + size || down > view.height + size) continue;
        pen.globalAlpha = states[point] === DIMMED ? 0.12 : 0.82;
        const corner = [Math.round(across * ratio - size / 2), Math.round(down * ratio - size / 2)];
        if (disc) pen.drawImage(disc, ...corner);
        else pen.fillRect(...corner, size, size);
      }
    }
  }
}

// Colours that can be told apart, of as many things as wanted; the last one grey where it stands for all others.
export function palette(count, dark, greyLast) {
  return Array.from({ length: count }, (_, number) => {
    if (greyLast && number === count - 1) return dark ? [120, 118, 114] : [168, 164, 158];
    const hue = (number * 137.508 + 155) % 360;
    return rgbOf(hue, dark ? 0.62 : 0.58, (dark ? 0.6 : 0.44) + 0.07 * ((number % 3) - 1));
  });
}

function rgbOf(hue, saturation, lightness) {
  const strength = saturation * Math.min(lightness, 1 - lightness);
  const part = (offset) => {
    const at = (offset + hue / 30) % 12;
    return Math.round(255 * (lightness - strength * Math.max(-1, Math.min(at - 3, 9 - at, 1))));
  };
  return [part(0), part(8), part(4)];
}
