// Pictures with captions. Its value is a list of {address, caption, is_chosen, is_large}.
const panel = element.querySelector(".tiles");

function show() {
  const tiles = props.value ?? [];
  while (panel.children.length > tiles.length) panel.lastChild.remove();
  while (panel.children.length < tiles.length) {
    const figure = document.createElement("figure");
    figure.append(document.createElement("img"), document.createElement("figcaption"));
    panel.append(figure);
  }
  tiles.forEach((tile, place) => {
    const figure = panel.children[place], [image, caption] = figure.children;
    figure.className = `${tile.is_chosen ? "chosen" : ""} ${tile.is_large ? "large" : ""}`;
    image.src = tile.address;
    image.alt = tile.caption || "image";
    caption.textContent = tile.caption;
  });
}

watch("value", show);
show();
