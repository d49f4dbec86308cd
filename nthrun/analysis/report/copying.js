/* Commands and specs are copied by a button. */
for (const text of document.querySelectorAll("pre.copied")) {
  const button = make("button", "copy", { type: "button", class: "copy" });
  text.before(button);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "selected: press Ctrl-C";
    }
  });
}
