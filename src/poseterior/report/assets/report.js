"use strict";
(function () {
  const data = JSON.parse(document.getElementById("scene-data").textContent);
  const byId = (id) => document.getElementById(id);
  const shown = { hypotheses: true, mean: true, target: true };
  const { draw } = scene3d(byId("scene"), {
    ranges: data.ranges, eye: { x: 1.15, y: -1.55, z: 0.5 }, centre: -0.08, narrowRatio: 1.35,
  });
  let current = 0;

  // ---- the 3D scene -------------------------------------------------------------------------
  function strokes(poses) {
    const x = [], y = [], z = [];
    for (const pose of poses) {
      for (const [from, to] of data.bones) {
        for (const joint of [pose[from], pose[to]]) {
          x.push(joint[0]); y.push(joint[1]); z.push(joint[2]);
        }
        x.push(null); y.push(null); z.push(null);
      }
    }
    return { x, y, z };
  }

  function bones(layer, poses, line, opacity) {
    return { type: "scatter3d", mode: "lines", hoverinfo: "skip", connectgaps: false,
      line, opacity, visible: shown[layer], ...strokes(poses) };
  }

  function joints(layer, pose, color, size) {
    return { type: "scatter3d", mode: "markers", visible: shown[layer],
      x: pose.map((p) => p[0]), y: pose.map((p) => p[1]), z: pose.map((p) => p[2]),
      marker: { color, size, line: { width: 0 } },
      text: data.joints, hovertemplate:
        "<b>%{text}</b>, " + layer +
        "<br>right %{x:.2f} m<br>up %{z:.2f} m<br>forward %{y:.2f} m<extra></extra>" };
  }

  function traces(pose) {
    const drawn = [
      bones("hypotheses", pose.hypotheses, { color: "#56b4e9", width: 2 }, 0.22),
      bones("mean", [pose.mean], { color: "#0b3c5d", width: 7 }, 1),
      joints("mean", pose.mean, "#0b3c5d", 4),
    ];
    if (pose.target) {
      drawn.push(bones("target", [pose.target], { color: "#d55e00", width: 5 }, 1));
      drawn.push(joints("target", pose.target, "#d55e00", 3.5));
    }
    return drawn;
  }

  // ---- the image panel ----------------------------------------------------------------------
  function element(name, attributes, parent) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(made);
    return made;
  }

  function path(poses) {
    const parts = [];
    for (const pose of poses) {
      for (const [from, to] of data.bones) {
        const a = pose[from], b = pose[to];
        if (a && b) parts.push(`M${a[0]} ${a[1]}L${b[0]} ${b[1]}`);
      }
    }
    return parts.join("");
  }

  function extent(image) {
    const points = image.keypoints.filter(Boolean).concat(image.mean || []);
    let box = [Infinity, Infinity, -Infinity, -Infinity];
    const grow = (x, y, r) => {
      box = [Math.min(box[0], x - r), Math.min(box[1], y - r),
        Math.max(box[2], x + r), Math.max(box[3], y + r)];
    };
    points.forEach(([x, y]) => grow(x, y, 0));
    if (!points.length) return [0, 0, 1, 1];
    const side = Math.max(box[2] - box[0], box[3] - box[1], 1);
    return [box[0] - 0.1 * side, box[1] - 0.1 * side,
      box[2] - box[0] + 0.2 * side, box[3] - box[1] + 0.2 * side];
  }

  function scaleBar(svg, [left, top, width, height], side) {
    const length = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
      .filter((n) => n <= side * 0.3).pop() || 1;
    const y = top + height - 0.02 * side, x = left + 0.02 * side;
    element("line", { x1: x, x2: x + length, y1: y, y2: y, class: "scale2" }, svg);
    const words = element("text", { x: x, y: y - 0.016 * side, class: "tick",
      style: `font-size:${0.032 * side}px` }, svg);
    words.textContent = `${length} px`;
  }

  function drawImage() {
    const panel = byId("image"), words = byId("image-words"), image = data.poses[current].image;
    panel.replaceChildren();
    if (!image) {
      words.textContent = "No 2D observation was given with these poses.";
      return;
    }
    const view = extent(image), side = Math.max(view[2], view[3]);
    const svg = element("svg", { viewBox: view.join(" "), role: "img",
      "aria-label": "2D observation" }, panel);
    const pictured = Number.isInteger(image.picture);
    panel.classList.toggle("on-photo", pictured);
    if (pictured) element("use", { href: `#picture-${image.picture}` }, svg);
    if (image.hypotheses && shown.hypotheses) {
      for (const pose of image.hypotheses) {
        element("path", { d: path([pose]), class: "hypotheses2" }, svg);
      }
    }
    (image.ellipses || []).forEach((shape, j) => {
      if (!shape) return;
      const [x, y] = image.keypoints[j];
      element("ellipse", { cx: x, cy: y, rx: shape[0], ry: shape[1], class: "region2",
        transform: `rotate(${shape[2]} ${x} ${y})` }, svg);
    });
    element("path", { d: path([image.keypoints]), class: "bone2" }, svg);
    if (image.mean && shown.mean) {
      if (pictured) element("path", { d: path([image.mean]), class: "halo2" }, svg);
      element("path", { d: path([image.mean]), class: "mean2" }, svg);
    }
    image.keypoints.forEach((point, j) => {
      if (!point) return;
      const dot = element("circle", { cx: point[0], cy: point[1], r: 0.008 * side,
        class: "joint2" }, svg);
      element("title", {}, dot).textContent =
        `${data.joints[j]}: ${point[0].toFixed(0)}, ${point[1].toFixed(0)} px`;
    });
    scaleBar(svg, view, side);
    words.textContent = imageWords(image);
  }

  function imageWords(image) {
    const missing = image.keypoints.filter((point) => !point).length;
    return ["What the lifter was given: 2D keypoints (black)"
      + (image.ellipses ? `, with the ${data.region} of each detection's error (yellow).` : "."),
      missing ? ` ${missing} joint${missing > 1 ? "s" : ""} not detected.` : "",
      image.mean
        ? " Blue: the 3D poses seen by the camera; the root is placed where the mean pose fits the"
          + " keypoints best."
        : " The 3D poses are not drawn here: the camera is unknown or no place fits the keypoints.",
    ].join("");
  }

  // ---- controls -----------------------------------------------------------------------------
  function choose(index) {
    const count = data.poses.length;
    current = (Number(index) + count) % count;
    byId("pose").value = byId("slide").value = String(current);
    drawImage();
    draw(traces(data.poses[current]));
  }

  byId("pose").addEventListener("change", (event) => choose(event.target.value));
  byId("slide").addEventListener("input", (event) => choose(event.target.value));
  byId("previous").addEventListener("click", () => choose(current - 1));
  byId("next").addEventListener("click", () => choose(current + 1));
  document.querySelectorAll("[data-layer]").forEach((box) =>
    box.addEventListener("change", () => {
      shown[box.dataset.layer] = box.checked;
      choose(current);
    }));
  choose(0);
})();
