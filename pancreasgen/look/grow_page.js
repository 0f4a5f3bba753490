"use strict";
const tree = JSON.parse(document.getElementById("tree").textContent);
const canvas = document.getElementById("view"), bar = document.getElementById("bar");
const say = (text) => { document.getElementById("help").hidden = false; document.getElementById("help").textContent = text; };
const unpack = (text, type) => new type(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);

// The camera: turned by yaw about the head's axis and by pitch about the screen's; zoom 1 shows everything.
const start = { yaw: 0, pitch: 0, zoom: 1, right: 0, up: 0, hidden: [], focus: false };
let camera = { ...start };
const place = `camera ${location.pathname}`;
const remember = () => { // Reloading while a grammar is edited keeps the view.
  const text = JSON.stringify({ ...camera, focus: document.activeElement === canvas });
  try { sessionStorage.setItem(place, text); } catch { window.name = text; }
};
const recall = () => {
  let text = "";
  try { text = sessionStorage.getItem(place) || ""; } catch { text = window.name; }
  try { camera = { ...start, ...JSON.parse(text) }; } catch { camera = { ...start }; }
};

const VERTEX = `#version 300 es
in vec3 a, b; in vec2 radii; in float group; in vec2 corner;
uniform mat3 turn; uniform vec2 shift, size; uniform float scale, depth, shown[7], least;
flat out vec2 from, to, deep; flat out vec3 wide; flat out float kind;
void main() {
  vec3 p = turn * a, q = turn * b;
  vec2 s = p.xy * scale + shift, t = q.xy * scale + shift;
  vec2 r = max(radii * scale, least);
  float most = max(r.x, r.y) + 1.0;
  vec2 along = t - s;
  along = length(along) > 1e-4 ? normalize(along) : vec2(1.0, 0.0);
  vec2 place = mix(s - along * most, t + along * most, corner.x) + vec2(-along.y, along.x) * most * corner.y;
  from = s; to = t; deep = vec2(p.z, q.z) * scale; wide = vec3(r, depth * scale); kind = group;
  gl_Position = shown[int(group)] > 0.5 ? vec4(2.0 * place / size, 0.0, 1.0) : vec4(2.0);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
flat in vec2 from, to, deep; flat in vec3 wide; flat in float kind;
uniform vec3 colours[7]; uniform vec2 size; uniform float least;
out vec4 colour;
void main() { // A ray along z meets the side of the tapered tube, or the ball at one of its ends.
  vec2 here = gl_FragCoord.xy - 0.5 * size, along = to - from;
  float len = max(length(along), 1e-3), rise = deep.y - deep.x, slant = length(vec2(len, rise));
  along /= len;
  float s = dot(here - from, along), d = dot(here - from, vec2(-along.y, along.x));
  float t = clamp(s / len, 0.0, 1.0), r = mix(wide.x, wide.y, t);
  float cover = r + 0.5 - distance(here, mix(from, to, t));
  if (cover < 0.0) discard;
  float lift = sqrt(max(1.0 - d * d / (r * r), 0.0));
  t = (s + r * lift * rise / slant) / len;
  bool side = t > 0.0 && t < 1.0;
  t = clamp(t, 0.0, 1.0);
  r = mix(wide.x, wide.y, t);
  float e = distance(here, mix(from, to, t));
  lift = side ? lift * len / slant : sqrt(max(1.0 - e * e / (r * r), 0.0));
  gl_FragDepth = 0.5 - 0.5 * (mix(deep.x, deep.y, t) + lift * r) / wide.z;
  float shade = mix(1.0, 0.45 + 0.55 * lift, smoothstep(least, 3.0 * least, r));
  colour = vec4(colours[int(kind)] * shade, min(cover, 1.0));
}`;

function prepare() {
  const gl = canvas.getContext("webgl2", { antialias: true, alpha: false });
  if (!gl) { say("This browser has no WebGL 2, which the picture needs."); return null; }
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) { say(`The graphics driver refused: ${gl.getProgramInfoLog(program)}`); return null; }
  gl.useProgram(program);
  const nodes = unpack(tree.nodes, Uint16Array), ends = unpack(tree.segments, Uint32Array);
  const radii = unpack(tree.radii, Uint16Array), groups = unpack(tree.groups, Uint8Array);
  const rows = new Float32Array(9 * groups.length);
  for (let i = 0; i < groups.length; i++) {
    for (let end = 0; end < 2; end++) {
      for (let k = 0; k < 3; k++) rows[9 * i + 3 * end + k] = (nodes[3 * ends[2 * i + end] + k] - 32767.5) * tree.step_mm;
      rows[9 * i + 6 + end] = radii[2 * i + end] * tree.radius_step_mm;
    }
    rows[9 * i + 8] = groups[i];
  }
  const feed = (data, stride, divisor, fields) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    for (const [name, count, offset] of fields) {
      const place = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, count, gl.FLOAT, false, 4 * stride, 4 * offset);
      gl.vertexAttribDivisor(place, divisor);
    }
  };
  feed(rows, 9, 1, [["a", 3, 0], ["b", 3, 3], ["radii", 2, 6], ["group", 1, 8]]);
  feed(new Float32Array([0, -1, 1, -1, 0, 1, 1, 1]), 2, 0, [["corner", 2, 0]]);
  gl.enable(gl.DEPTH_TEST);
  gl.enable(gl.SAMPLE_ALPHA_TO_COVERAGE);
  return { gl, count: groups.length, at: (name) => gl.getUniformLocation(program, name) };
}

const light = matchMedia("(prefers-color-scheme: light)");
const hues = () => (light.matches ? tree.light : tree.dark);
const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
let scene = null, wanted = false, held = 0;

// Rows of the turn: screen right is the patient's left (-x), up is the head (+z), towards the eye is the front (+y).
function turn() {
  const [y, p] = [camera.yaw, camera.pitch].map((angle) => angle * Math.PI / 180);
  const cy = Math.cos(y), sy = Math.sin(y), cp = Math.cos(p), sp = Math.sin(p);
  const right = [-cy, sy, 0], eye = [sy * cp, cy * cp, sp], up = [-sy * sp, -cy * sp, cp];
  return [0, 1, 2].flatMap((k) => [right[k], up[k], eye[k]]); // columns
}
const fit = () => 0.92 * Math.min(canvas.clientWidth / tree.width_mm, canvas.clientHeight / tree.height_mm);

function draw() {
  wanted = false;
  const ratio = window.devicePixelRatio || 1, [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const { gl, count, at } = scene, scale = fit() * camera.zoom, ground = parts(light.matches ? "#ffffff" : "#101216");
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clearColor(...ground, 1);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.uniformMatrix3fv(at("turn"), false, turn());
  gl.uniform2f(at("shift"), camera.right * scale * ratio, camera.up * scale * ratio);
  gl.uniform2f(at("size"), canvas.width, canvas.height);
  gl.uniform1f(at("scale"), scale * ratio);
  gl.uniform1f(at("depth"), tree.depth_mm);
  gl.uniform1f(at("least"), 0.45 * ratio);
  gl.uniform1fv(at("shown"), tree.names.map((_, group) => (camera.hidden.includes(group) ? 0 : 1)));
  gl.uniform3fv(at("colours"), hues().flatMap(parts));
  gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
  const power = 10 ** Math.floor(Math.log10(0.25 * wide / scale));
  const length = [5, 2, 1].find((step) => step * power * scale <= 0.25 * wide * (1 + 1e-9)) * power;
  bar.style.width = `${length * scale}px`;
  bar.textContent = length >= 1 ? `${length.toLocaleString("en")} mm` : `${Number((length * 1000).toPrecision(3))} µm`;
}
function refresh() {
  remember();
  if (scene && !wanted) { wanted = true; requestAnimationFrame(draw); }
}
function spin(yaw, pitch) {
  camera.yaw = (camera.yaw + yaw) % 360;
  camera.pitch = Math.max(-90, Math.min(90, camera.pitch + pitch));
  refresh();
}
function move(right, up) {
  const scale = fit() * camera.zoom;
  camera.right += right / scale;
  camera.up += up / scale;
  refresh();
}
function zoom(factor, event) { // The point under the pointer stays where it is.
  const box = canvas.getBoundingClientRect(), old = fit() * camera.zoom;
  camera.zoom = Math.max(0.2, Math.min(500, camera.zoom * factor));
  const change = 1 / (fit() * camera.zoom) - 1 / old;
  if (event) {
    camera.right += (event.clientX - box.left - 0.5 * box.width) * change;
    camera.up -= (event.clientY - box.top - 0.5 * box.height) * change;
  }
  refresh();
}

function listen() {
  const fingers = new Map();
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    held = fingers.size;
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const step = [event.clientX - last[0], event.clientY - last[1]];
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      move(0.5 * step[0], -0.5 * step[1]);
      zoom(apart([event.clientX, event.clientY]) / apart(last));
    } else if (event.shiftKey || event.buttons & 6) move(step[0], -step[1]);
    else spin(0.4 * step[0], 0.4 * step[1]);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => { fingers.delete(event.pointerId); held = fingers.size; });
  }
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-0.0015 * event.deltaY), event); }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) event.shiftKey ? move(30 * way[0], -30 * way[1]) : spin(6 * way[0], 6 * way[1]);
    else if (event.key === "+" || event.key === "=") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else if (event.key === "0" || event.key === "Home") { camera = { ...start, hidden: camera.hidden }; refresh(); }
    else return;
    event.preventDefault();
  });
  for (const button of document.querySelectorAll("#tools button")) {
    button.addEventListener("click", () => {
      if (button.dataset.zoom) return zoom(Number(button.dataset.zoom));
      const [yaw, pitch] = button.dataset.look.split(" ").map(Number);
      camera = { ...start, yaw, pitch, hidden: camera.hidden };
      refresh();
    });
  }
  new ResizeObserver(refresh).observe(canvas);
  light.addEventListener("change", () => { paintLegend(); refresh(); });
}
function fillLegend() {
  for (const group of tree.present) {
    const row = document.createElement("label"), box = document.createElement("input"), swatch = document.createElement("i");
    box.type = "checkbox";
    box.checked = !camera.hidden.includes(group);
    box.addEventListener("change", () => {
      camera.hidden = camera.hidden.filter((other) => other !== group).concat(box.checked ? [] : [group]);
      refresh();
    });
    swatch.dataset.group = group;
    row.append(box, swatch, tree.names[group]);
    document.getElementById("orders").append(row);
  }
  paintLegend();
}
function paintLegend() {
  for (const swatch of document.querySelectorAll("#orders i")) swatch.style.background = hues()[Number(swatch.dataset.group)];
}

recall();
if (tree.groups) {
  fillLegend();
  scene = prepare();
  listen();
  if (camera.focus) canvas.focus({ preventScroll: true });
  refresh();
} else document.querySelector("main").hidden = true;
if (tree.reload_s) {
  const again = () => (held || document.hidden ? setTimeout(again, 500) : (remember(), location.reload()));
  setTimeout(again, 1000 * tree.reload_s);
}
