"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const clips = data.clips;
  const canvas = document.getElementById("map");
  const context = canvas.getContext("2d");
  const panel = document.getElementById("chosen");
  const choices = {};
  for (const name of ["colour", "class", "split", "outcome"]) choices[name] = document.getElementById(name);
  const view = { scale: 1, x: 0, y: 0 };
  let visible = [];
  let chosen = -1;
  let waiting = false;

  // The map's own extent.
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const clip of clips) {
    left = Math.min(left, clip.x);
    right = Math.max(right, clip.x);
    top = Math.min(top, clip.y);
    bottom = Math.max(bottom, clip.y);
  }
  const width = Math.max(1e-6, right - left);
  const height = Math.max(1e-6, bottom - top);

  const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  const grey = "#8a94a6";
  const hue = (turn) => (turn === undefined ? grey : `hsl(${turn} 70% ${isDark() ? 62 : 45}%)`);
  const colour = (number, kind) => {
    if (kind.hues) return hue(kind.hues[number]);
    const count = kind.names.length;
    return hue(count > 12 ? (number * 137.508) % 360 : (number * 360) / Math.max(1, count));
  };
  // Each prediction is a label's index, its probability, and whether the label is predicted.
  const isChosen = (prediction) => prediction[2] === 1;
  const mostLabels = clips.reduce((most, clip) => Math.max(most, clip.labels.length), 0);
  const kinds = {
    class: { names: data.labels, of: (clip) => clip.labels[0] },
    count: {
      names: Array.from({ length: mostLabels + 1 }, (_, count) =>
        count === 0 ? "no label" : count === 1 ? "1 label" : `${count} labels`),
      of: (clip) => clip.labels.length,
    },
    split: { names: data.splits, of: (clip) => clip.split },
    prediction: { names: data.labels, of: (clip) => clip.predictions && clip.predictions[0][0] },
    outcome: {
      names: data.isMultilabel
        ? ["all labels correct", "some label wrong", "not predicted"]
        : ["correct", "wrong", "not predicted"],
      hues: [215, 20, undefined],
      of: (clip) => outcome(clip),
    },
  };
  // What clips have, and are predicted to have, of each label.
  data.labels.forEach((name, label) => {
    const isPredictable = data.predictable.includes(label);
    kinds[`label ${label}`] = {
      names: [
        `${name}, predicted`, `${name}, not predicted`, `not ${name}, but predicted`,
        `not ${name}, and not predicted`, name, `not ${name}`,
      ],
      hues: [215, 35, 320, undefined, 180, undefined],
      isLayered: true,
      of: (clip) => {
        const isOwn = clip.labels.includes(label);
        if (!isPredictable || !clip.predictions) return isOwn ? 4 : 5;
        const isPredicted = clip.predictions.some((one) => one[0] === label && isChosen(one));
        return (isOwn ? 0 : 2) + (isPredicted ? 0 : 1);
      },
    };
  });
  function outcome(clip) {
    if (!clip.predictions) return 2;
    return clip.predictions.every((one) => isChosen(one) === clip.labels.includes(one[0])) ? 0 : 1;
  }
  const shown = (clip) => clip.labels.map((label) => data.labels[label]).join(", ") || "no label";

  // What places depend on; asked of the page once a frame.
  const frame = { wide: 1, high: 1, size: 1 };
  function measure() {
    frame.wide = canvas.clientWidth;
    frame.high = canvas.clientHeight;
    frame.size = Math.min(frame.wide / width, frame.high / height) * 0.92 * view.scale;
  }

  function place(clip) {
    return [
      frame.wide / 2 + (clip.x - left - width / 2) * frame.size + view.x,
      frame.high / 2 + (clip.y - top - height / 2) * frame.size + view.y,
    ];
  }

  function filter() {
    const wanted = (name) => (choices[name].value === "" ? -1 : Number(choices[name].value));
    const [label, split, result] = [wanted("class"), wanted("split"), wanted("outcome")];
    visible = [];
    clips.forEach((clip, index) => {
      if (label >= 0 && !clip.labels.includes(label)) return;
      if (label === -2 && clip.labels.length > 0) return;
      if (split >= 0 && clip.split !== split) return;
      if (result >= 0 && outcome(clip) !== result) return;
      visible.push(index);
    });
    document.getElementById("count").textContent = `${visible.length} of ${clips.length} clips`;
    legend();
    draw();
  }

  function legend() {
    const kind = kinds[choices.colour.value];
    const counts = new Map();
    for (const index of visible) {
      const number = kind.of(clips[index]);
      if (number !== undefined) counts.set(number, (counts.get(number) || 0) + 1);
    }
    const list = document.getElementById("legend");
    list.replaceChildren();
    const entries = [...counts].sort((a, b) => b[1] - a[1]);
    for (const [number, count] of entries.slice(0, 24)) {
      const entry = document.createElement("li");
      const dot = document.createElement("span");
      dot.className = "dot";
      dot.style.background = colour(number, kind);
      entry.append(dot, `${kind.names[number]} (${count})`);
      list.append(entry);
    }
    if (entries.length > 24) {
      const entry = document.createElement("li");
      entry.textContent = `and ${entries.length - 24} more`;
      list.append(entry);
    }
  }

  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const ratio = window.devicePixelRatio || 1;
      measure();
      const { wide, high } = frame;
      if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
        canvas.width = Math.round(wide * ratio);
        canvas.height = Math.round(high * ratio);
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, wide, high);
      const kind = kinds[choices.colour.value];
      const radius = clips.length > 4000 ? 2 : clips.length > 800 ? 3 : 4.5;
      const byColour = new Map();
      for (const index of visible) {
        const number = kind.of(clips[index]);
        if (!byColour.has(number)) byColour.set(number, []);
        byColour.get(number).push(index);
      }
      // Clips without a label are drawn below those that have it.
      const groups = kind.isLayered ? [...byColour].sort((a, b) => b[0] - a[0]) : byColour;
      for (const [number, indices] of groups) {
        context.fillStyle = number === undefined ? grey : colour(number, kind);
        const isMany = visible.length > 3000;
        context.beginPath();
        for (const index of indices) {
          const [x, y] = place(clips[index]);
          if (x < -9 || y < -9 || x > wide + 9 || y > high + 9) continue;
          if (isMany) {
            // Squares are drawn a hundred times as fast as circles.
            context.fillRect(Math.round(x - radius), Math.round(y - radius), 2 * radius, 2 * radius);
          } else {
            context.moveTo(x + radius, y);
            context.arc(x, y, radius, 0, 7);
          }
        }
        context.fill();
      }
      if (chosen >= 0) {
        const ink = getComputedStyle(document.body).color;
        context.strokeStyle = ink;
        context.lineWidth = 1;
        const [x, y] = place(clips[chosen]);
        for (const [index] of clips[chosen].near) {
          const [nx, ny] = place(clips[index]);
          context.beginPath();
          context.moveTo(x, y);
          context.lineTo(nx, ny);
          context.stroke();
        }
        context.lineWidth = 2.5;
        context.beginPath();
        context.arc(x, y, radius + 4, 0, 7);
        context.stroke();
      }
    });
  }

  function nearest(x, y, reach) {
    let [best, found] = [reach * reach, -1];
    for (const index of visible) {
      const [px, py] = place(clips[index]);
      const square = (px - x) ** 2 + (py - y) ** 2;
      if (square < best) [best, found] = [square, index];
    }
    return found;
  }

  function line(text, kind) {
    const element = document.createElement("p");
    element.textContent = text;
    if (kind) element.className = kind;
    return element;
  }

  function strip(index) {
    const number = clips[index].strip;
    if (number === undefined) return line("The page has no frames of this clip.", "detail");
    const image = document.createElement("img");
    image.src = data.strips[number];
    image.alt = `frames of ${clips[index].path}`;
    image.className = "frames";
    return image;
  }

  function said(clip) {
    if (!clip.predictions) return "";
    const percent = (one) => `${(100 * one[1]).toFixed(1)} %`;
    if (!data.isMultilabel) {
      const [one] = clip.predictions;
      return `; predicted ${data.labels[one[0]]} with ${percent(one)}`;
    }
    const list = (ones) => ones.map((one) => `${data.labels[one[0]]} ${percent(one)}`).join(", ");
    const missed = clip.predictions.filter((one) => !isChosen(one));
    return (
      `; predicted ${list(clip.predictions.filter(isChosen)) || "no label"}` +
      (missed.length ? `; not predicted ${list(missed)}` : ""));
  }

  function choose(index) {
    if (index < 0 || index === chosen) return;
    chosen = index;
    const clip = clips[index];
    const heading = document.createElement("h3");
    heading.textContent = clip.path;
    const text = line(`${shown(clip)}${data.isMultilabel ? ";" : ","} ${data.splits[clip.split]}${said(clip)}`);
    if (outcome(clip) === 1) text.className = "wrong";
    const list = document.createElement("ol");
    for (const [other, cosine] of clip.near) {
      const entry = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = clips[other].path;
      button.addEventListener("click", () => choose(other));
      entry.append(button, ` ${shown(clips[other])}, ${cosine.toFixed(3)}`);
      list.append(entry);
    }
    panel.replaceChildren(heading, text, strip(index), line("Nearest neighbours:", "detail"), list);
    draw();
  }

  function step(dx, dy) {
    if (chosen < 0) return choose(visible.length ? visible[0] : -1);
    const [x, y] = place(clips[chosen]);
    let [best, found] = [Infinity, -1];
    for (const index of visible) {
      if (index === chosen) continue;
      const [px, py] = place(clips[index]);
      const along = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (along <= 0 || aside > 2 * along) continue;
      const distance = along + 2 * aside;
      if (distance < best) [best, found] = [distance, index];
    }
    choose(found);
  }

  function zoom(factor, x, y) {
    const scale = Math.min(60, Math.max(0.5, view.scale * factor));
    const own = scale / view.scale;
    const [cx, cy] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    view.x = x - cx - (x - cx - view.x) * own;
    view.y = y - cy - (y - cy - view.y) * own;
    view.scale = scale;
    draw();
  }

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (drag.moved || Math.abs(dx) + Math.abs(dy) > 4) {
        view.x += dx;
        view.y += dy;
        drag = { x: event.clientX, y: event.clientY, moved: true };
        draw();
      }
      return;
    }
    choose(nearest(event.offsetX, event.offsetY, 12));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) choose(nearest(event.offsetX, event.offsetY, 24));
    drag = null;
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    },
    { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [cx, cy] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    if (steps[event.key]) step(...steps[event.key]);
    else if (event.key === "+") zoom(1.5, cx, cy);
    else if (event.key === "-") zoom(1 / 1.5, cx, cy);
    else return;
    event.preventDefault();
  });
  document.getElementById("reset").addEventListener("click", () => {
    Object.assign(view, { scale: 1, x: 0, y: 0 });
    draw();
  });
  for (const name in choices) choices[name].addEventListener("change", filter);
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-clip]");
    if (!target) return;
    choose(Number(target.dataset.clip));
    canvas.scrollIntoView({ block: "nearest" });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", filter);
  new ResizeObserver(draw).observe(canvas);
  filter();
})();
