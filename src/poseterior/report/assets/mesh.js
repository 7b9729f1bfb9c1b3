"use strict";
(function () {
  const data = JSON.parse(document.getElementById("mesh-data").textContent);
  const byId = (id) => document.getElementById(id);
  const { draw, narrow } = scene3d(byId("scene"), {
    ranges: data.ranges, eye: { x: 0.85, y: -1.75, z: 0.45 }, centre: -0.1, narrowRatio: 1.4,
  });
  let current = 0, chosen = 0, others = false;

  // ---- numbers ------------------------------------------------------------------------------
  function unpacked(text, Kind) {
    return new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  }

  function columns(whole, scale) {
    const found = [[], [], []];
    for (let n = 0; n < whole.length; n += 1) found[n % 3].push(whole[n] * scale);
    return found;
  }

  const corners = columns(unpacked(data.faces, data.wide ? Uint32Array : Uint16Array), 1);
  const spreads = data.people.map((person) =>
    Array.from(unpacked(person.spread, Uint16Array), (n) => n * data.step * 1000));

  // ---- the 3D scene -------------------------------------------------------------------------
  function mesh(number) {
    const person = data.people[current];
    const [x, y, z] = columns(unpacked(person.meshes[number], Int16Array), data.step);
    const [i, j, k] = corners;
    return { type: "mesh3d", x, y, z, i, j, k, flatshading: false,
      lighting: { ambient: 0.5, diffuse: 0.65, specular: 0.12, roughness: 0.75, fresnel: 0.1 },
      // In the viewer's axes, from the upper right, so that no view is dark.
      lightposition: { x: 100000, y: 100000, z: -40000 } };
  }

  function bar() {
    const size = narrow.matches ? 11 : 12;
    const place = narrow.matches
      ? { orientation: "h", x: 0.5, xanchor: "center", y: 0, yanchor: "bottom", len: 0.86, ypad: 4 }
      : { x: 1, xpad: 8, len: 0.7 };
    return { ...place, thickness: 12, outlinewidth: 0, tickfont: { size: size - 1 }, nticks: 6,
      title: { text: "spread, mm", side: narrow.matches ? "top" : "right", font: { size } } };
  }

  function main() {
    return { ...mesh(chosen), intensity: spreads[current], colorscale: "Viridis", cmin: 0,
      cmax: data.limit,
      colorbar: bar(),
      hovertemplate: "spread %{intensity:.0f} mm<br>right %{x:.2f} m<br>up %{z:.2f} m"
        + "<br>forward %{y:.2f} m<extra></extra>" };
  }

  function faint(number) {
    return { ...mesh(number), color: "#8a95a3", opacity: 0.16, hoverinfo: "skip" };
  }

  function traces() {
    const count = data.people[current].meshes.length;
    const more = others ? [...Array(count).keys()].filter((n) => n !== chosen).map(faint) : [];
    return [main(), ...more];
  }

  // ---- what is chosen -----------------------------------------------------------------------
  function drawButtons() {
    const shares = data.people[current].shares, group = byId("representatives");
    group.replaceChildren(...shares.map((share, n) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${n + 1}: ${share}`;
      button.setAttribute("aria-label",
        `representative ${n + 1}, ${share} of the posterior`);
      button.setAttribute("aria-pressed", String(n === chosen));
      button.addEventListener("click", () => choose(current, n));
      return button;
    }));
  }

  function drawPanel() {
    document.querySelectorAll("[data-person]").forEach((part) => {
      part.hidden = Number(part.dataset.person) !== current;
    });
    document.querySelectorAll("[data-representative]").forEach((path) => {
      path.style.display = Number(path.dataset.representative) === chosen ? "" : "none";
    });
  }

  function choose(person, representative) {
    const count = data.people.length;
    current = (Number(person) + count) % count;
    chosen = representative;
    byId("person").value = String(current);
    drawButtons();
    drawPanel();
    draw(traces());
  }

  byId("person").addEventListener("change", (event) => choose(event.target.value, 0));
  byId("previous").addEventListener("click", () => choose(current - 1, 0));
  byId("next").addEventListener("click", () => choose(current + 1, 0));
  byId("others").addEventListener("change", (event) => {
    others = event.target.checked;
    draw(traces());
  });
  choose(0, 0);
})();
