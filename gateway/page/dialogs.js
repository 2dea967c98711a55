// Questions with a reason, and places that are drawn anew without losing the reader's place.

const $ = (id) => document.getElementById(id);

// Ask for a reason and carry out; the dialog stays open with the problem if that fails.
export function askReason({ title, text, button, danger = false, reason = true }, act) {
  const dialog = $("ask");
  const form = $("ask-form");
  const input = $("ask-reason");
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-error").textContent = "";
  $("ask-yes").textContent = button;
  $("ask-yes").className = danger ? "danger" : "primary";
  $("ask-field").hidden = !reason;
  input.value = "";
  form.onsubmit = async (event) => {
    event.preventDefault();
    const given = input.value.trim();
    if (reason && !given) {
      $("ask-error").textContent = "A reason is needed: it is journaled.";
      input.setAttribute("aria-invalid", "true");
      return input.focus();
    }
    $("ask-yes").disabled = true;
    try {
      await act(given);
      dialog.close();
    } catch (error) {
      $("ask-error").textContent = error.message;
    } finally {
      $("ask-yes").disabled = false;
    }
  };
  input.removeAttribute("aria-invalid");
  $("ask-no").onclick = () => dialog.close();
  dialog.showModal();
  (reason ? input : $("ask-no")).focus();
}

// Replace what a place shows; focus and scroll positions of what has the same data-key stay.
export function redraw(place, ...nodes) {
  const keyed = (root) => new Map([...root.querySelectorAll("[data-key]")].map((node) => [node.dataset.key, node]));
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const scrolled = [...keyed(place)].map(([key, node]) => [key, node.scrollLeft]).filter(([, left]) => left);
  place.replaceChildren(...nodes.flat(Infinity).filter(Boolean));
  const now = keyed(place);
  for (const [key, left] of scrolled) if (now.has(key)) now.get(key).scrollLeft = left;
  if (focused) now.get(focused)?.focus({ preventScroll: true });
}
