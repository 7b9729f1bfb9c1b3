"use strict";
// The 3D scene of a page: its axes, its views, and the buttons that choose among them.
// `look` differs from page to page: `ranges` of the axes, `eye` of the first view, `centre` of the
// camera, and `narrowRatio`, how large the box is drawn on a small screen.
function scene3d(holder, look) {
  const narrow = window.matchMedia("(max-width: 520px)");
  const eyes = {
    corner: look.eye,
    camera: { x: 0, y: -2, z: 0 },
    side: { x: 2, y: 0, z: 0 },
    top: { x: 0, y: -0.001, z: 2 },
  };
  // Plotly keeps the reader's own view as long as the revision stays the same.
  const view = { eye: eyes.corner, revision: 0 };
  let traces = [];

  function axis(title, range) {
    return { title: { text: title, font: { size: 12, color: "#566273" } }, range,
      autorange: false, dtick: 0.5, tickfont: { size: 10, color: "#8a95a3" }, gridcolor: "#dfe4e9",
      zerolinecolor: "#c3cad2", backgroundcolor: "#fafbfc", showbackground: true,
      showspikes: false };
  }

  function layout() {
    const [x, y, z] = look.ranges;
    const sides = look.ranges.map(([low, high]) => high - low);
    const longest = Math.max(...sides);
    const ratio = (side) => (narrow.matches ? look.narrowRatio : 1.6) * side / longest;
    return {
      margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, paper_bgcolor: "#fff",
      uirevision: "keep",
      font: { family: "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif" },
      hoverlabel: { bgcolor: "#17202b", bordercolor: "#17202b", font: { color: "#fff" } },
      scene: {
        xaxis: axis("right, m", x), yaxis: axis("forward (depth), m", y), zaxis: axis("up, m", z),
        aspectmode: "manual",
        aspectratio: { x: ratio(sides[0]), y: ratio(sides[1]), z: ratio(sides[2]) },
        camera: { eye: view.eye, center: { x: 0, y: 0, z: look.centre }, up: { x: 0, y: 0, z: 1 },
          projection: { type: "orthographic" } },
        dragmode: "orbit", uirevision: view.revision,
      },
    };
  }

  // Only local buttons: the default bar has one that sends the figure to a server.
  const options = { displaylogo: false, responsive: true, scrollZoom: false, showTips: false,
    plotlyServerURL: "", showLink: false,
    modeBarButtons: [["toImage", "zoom3d", "pan3d", "orbitRotation"]] };

  function draw(drawn) {
    traces = drawn;
    options.displayModeBar = narrow.matches ? false : "hover";
    return Plotly.react(holder, traces, layout(), options);
  }

  document.querySelectorAll("[data-view]").forEach((button) =>
    button.addEventListener("click", () => {
      view.eye = eyes[button.dataset.view];
      view.revision += 1;
      draw(traces);
    }));
  return { draw, narrow };
}
