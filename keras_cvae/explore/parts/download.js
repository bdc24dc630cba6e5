// Saves its value, {address, name}, as a file.
watch("value", () => {
  if (!props.value) return;
  const link = document.createElement("a");
  link.href = props.value.address;
  link.download = props.value.name;
  link.click();
});
