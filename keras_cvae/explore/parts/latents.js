// A pad and sliders over the latent dimensions in use. Its value is the whole noise, a list.
// The server generates the images behind the pad, 0.2 s after the last change of a control.
const pad = element.querySelector(".pad"), dot = pad.querySelector("i");
const [across, up] = element.querySelectorAll("select");
const panel = element.querySelector(".sliders");
const limit = 3, sliders = {};
let noise = [...props.value], mapped, timer;

for (const dim of props.active) {
  const row = document.createElement("label");
  row.innerHTML = `<span>z${dim}</span><input type="range" min="${-limit}" max="${limit}" step="0.01"><output></output>`;
  row.title = `Latent dimension ${dim}`;
  panel.append(row);
  const slider = (sliders[dim] = row.querySelector("input"));
  slider.oninput = () => move({ [dim]: Number(slider.value) });
  for (const select of [across, up]) select.add(new Option(`z${dim}`, dim));
}
if (props.active.length < 2) element.querySelector(".pad-of-two").hidden = true;
else up.selectedIndex = 1;
element.querySelector(".remark").textContent = props.remark;

function show() {
  for (const [dim, slider] of Object.entries(sliders)) {
    slider.value = noise[dim];
    slider.parentElement.querySelector("output").textContent = noise[dim].toFixed(2);
  }
  const share = (dim) => Math.min(1, Math.max(0, (noise[dim] + limit) / (2 * limit)));
  if (props.active.length < 2) return;
  dot.style.left = `${100 * share(across.value)}%`;
  dot.style.bottom = `${100 * share(up.value)}%`;
  if (props.has_map) paintMap();
}

function paintMap() {
  const axes = [Number(across.value), Number(up.value)];
  const others = noise.map((value, dim) => (axes.includes(dim) ? 0 : value));
  const wanted = JSON.stringify([others, axes, props.controls]);
  if (wanted === mapped) return;
  mapped = wanted;
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const address = await server.behind([others, axes, limit, props.controls]);
    if (wanted === mapped) pad.style.setProperty("--map", `url(${address})`);
  }, 200);
}

function move(changes) {
  noise = noise.map((value, dim) => changes[dim] ?? value);
  show();
  props.value = noise;
  trigger("input");
}

function point(event) {
  const box = pad.getBoundingClientRect();
  const along = (share) => Math.min(limit, Math.max(-limit, limit * (2 * share - 1)));
  move({
    [across.value]: along((event.clientX - box.left) / box.width),
    [up.value]: along(1 - (event.clientY - box.top) / box.height),
  });
}

pad.onpointerdown = (event) => { pad.setPointerCapture(event.pointerId); point(event); };
pad.onpointermove = (event) => { if (event.buttons) point(event); };
pad.onkeydown = (event) => {
  const steps = { ArrowLeft: [across, -1], ArrowRight: [across, 1], ArrowDown: [up, -1], ArrowUp: [up, 1] };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const [axis, step] = steps[event.key];
  const value = noise[axis.value] + 0.1 * step;
  move({ [axis.value]: Math.min(limit, Math.max(-limit, value)) });
};
across.onchange = up.onchange = show;
element.querySelector(".centre").onclick = () => move(noise.map(() => 0));
watch("value", () => { noise = [...props.value]; show(); });
watch("controls", show);
show();
