// A canvas to draw on. Its value is the address of a PNG; "" is an empty canvas.
const canvas = element.querySelector("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const pen = element.querySelector(".pen");
const colour = element.querySelector("input[type=color]");
const file = element.querySelector("input[type=file]");
const scale = 280 / Math.max(props.width, props.height);
canvas.width = Math.round(props.width * scale);
canvas.height = Math.round(props.height * scale);
element.querySelector(".colour").hidden = !props.is_colour;
pen.value = props.pen;
colour.value = props.ink;
let last = null, sent = 0, timer = null;

function fill() {
  context.fillStyle = props.paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
}

function send() {
  clearTimeout(timer);
  timer = null;
  sent = Date.now();
  props.value = canvas.toDataURL("image/png");
  trigger("input");
}

function sendSoon() {
  if (timer === null) timer = setTimeout(send, Math.max(0, 80 - (Date.now() - sent)));
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * canvas.width) / box.width,
    ((event.clientY - box.top) * canvas.height) / box.height,
  ];
}

function line(from, to) {
  context.strokeStyle = colour.value;
  context.lineWidth = (pen.value / 100) * Math.max(canvas.width, canvas.height);
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

function show(address) {
  const image = new Image();
  return new Promise((done) => {
    image.onload = () => {
      const factor = Math.min(canvas.width / image.width, canvas.height / image.height);
      const width = image.width * factor, height = image.height * factor;
      fill();
      context.imageSmoothingEnabled = factor < 1;
      const left = (canvas.width - width) / 2, top = (canvas.height - height) / 2;
      context.drawImage(image, left, top, width, height);
      done(true);
    };
    image.onerror = () => done(false);
    image.src = address;
  });
}

canvas.onpointerdown = (event) => {
  canvas.setPointerCapture(event.pointerId);
  last = place(event);
  line(last, last);
  sendSoon();
};
canvas.onpointermove = (event) => {
  if (last === null) return;
  for (const each of event.getCoalescedEvents?.() ?? [event]) {
    const next = place(each);
    line(last, next);
    last = next;
  }
  sendSoon();
};
canvas.onpointerup = canvas.onpointercancel = () => {
  if (last !== null) send();
  last = null;
};
element.querySelector(".clear").onclick = () => {
  fill();
  props.value = "";
  trigger("input");
};
element.querySelector(".invert").onclick = () => {
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  pixels.data.forEach((_, i, data) => { if (i % 4 < 3) data[i] = 255 - data[i]; });
  context.putImageData(pixels, 0, 0);
  send();
};
element.querySelector(".upload").onclick = () => file.click();
file.onchange = async () => {
  if (!file.files.length) return;
  const address = URL.createObjectURL(file.files[0]);
  const is_image = await show(address);
  const sentence = `"${file.files[0].name}" is not an image that this browser can open.`;
  element.querySelector(".remark").textContent = is_image ? "" : sentence;
  if (is_image) send();
  URL.revokeObjectURL(address);
  file.value = "";
};
watch("value", () => { if (props.value) show(props.value); else fill(); });
fill();
if (props.value) show(props.value);
