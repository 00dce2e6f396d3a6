/// What the page does: draws the timeline and the memory map, sorts and filters the table. It reads the element
/// `data`, and no other file.
enum PageScript {
  static let text = #"""
    (() => {
    "use strict";
    const $ = (id) => document.getElementById(id);
    const D = JSON.parse($("data").textContent);
    const number = (value, digits = 0) =>
      value.toLocaleString("en-US", {maximumFractionDigits: digits}).replace(/,/g, "\u202f");
    const cycles = (ticks) => ticks / D.ticks_per_cycle;
    const micro = (ticks) => cycles(ticks) / D.clock_hz * 1e6;
    const span = (ticks) => number(cycles(ticks), 1) + " cycles, " + number(micro(ticks), 3) + " \u00b5s";

    // Lists of numbers, starts as differences, become columns.
    const phases = D.phases.map((phase) => ({
      ...phase,
      lanes: phase.lanes.map((lane) => {
        const count = lane.events.length / 4;
        const out = {label: lane.label, start: new Float64Array(count), end: new Float64Array(count),
          kernel: new Int32Array(count), work: new Int32Array(count)};
        let last = 0;
        for (let i = 0; i < count; i++) {
          last += lane.events[4 * i];
          out.start[i] = last;
          out.end[i] = last + lane.events[4 * i + 1];
          out.kernel[i] = lane.events[4 * i + 2];
          out.work[i] = lane.events[4 * i + 3];
        }
        return out;
      }),
    }));

    const time = $("timeline"), memory = $("memory"), tip = $("tip");
    const gutter = 58, axis = 30, laneHeight = 30;
    // The longest run is what a reader wants to see first.
    const longest = phases.reduce((best, each, i) =>
      !each.load && (phases[best].load || each.ticks > phases[best].ticks) ? i : best, 0);
    $("phase").value = longest;
    let phase = phases[longest], from = 0, to = 1, chosen = null, hovered = null, byWork = false;
    const kernels = () => D.devices[phase.device].kernels;
    let color = {};

    function readColors() {
      const style = getComputedStyle(document.documentElement);
      for (const name of ["ink", "soft", "line", "panel", "accent"]) {
        color[name] = style.getPropertyValue("--" + name).trim();
      }
      color.light = style.getPropertyValue("--fill-light").trim();
    }
    const fill = (kernel, work) => {
      const hue = byWork ? (work * 67 + 210) % 360 : (kernel * 137.508 + 210) % 360;
      return `hsl(${hue.toFixed(1)} 42% ${color.light})`;
    };

    function context(canvas, height) {
      const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
      canvas.style.height = height + "px";
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      const g = canvas.getContext("2d");
      g.setTransform(ratio, 0, 0, ratio, 0, 0);
      g.clearRect(0, 0, width, height);
      g.font = "11px system-ui, sans-serif";
      g.textBaseline = "middle";
      return [g, width];
    }
    const x = (tick, width) => gutter + (tick - from) / (to - from) * (width - gutter);
    const tickAt = (px, width) => from + (px - gutter) / (width - gutter) * (to - from);
    const isDim = (kernel) => {
      const wanted = hovered ?? chosen;
      return wanted !== null && wanted !== kernel;
    };

    /// The first event that ends after `tick`.
    function firstAfter(lane, tick) {
      let low = 0, high = lane.end.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (lane.end[middle] <= tick) low = middle + 1; else high = middle;
      }
      return low;
    }

    function step(width) {
      const wanted = cycles(to - from) / Math.max(2, (width - gutter) / 110);
      const power = Math.pow(10, Math.floor(Math.log10(wanted)));
      return [1, 2, 5, 10].map((m) => m * power).find((s) => s >= wanted) * D.ticks_per_cycle;
    }

    function grid(g, width, top, bottom, hasLabels) {
      const every = step(width);
      g.strokeStyle = color.line;
      g.lineWidth = 1;
      g.textAlign = "left";
      for (let t = Math.ceil(from / every) * every; t <= to; t += every) {
        const px = Math.round(x(t, width)) + .5;
        g.beginPath(); g.moveTo(px, top); g.lineTo(px, bottom); g.stroke();
        if (!hasLabels || px > width - 60) continue;
        g.fillStyle = color.soft;
        g.fillText(number(cycles(t), 2), px + 3, 17);
      }
    }

    function drawTime() {
      const height = axis + phase.lanes.length * laneHeight + 4;
      const [g, width] = context(time, height);
      // Where in the whole the window lies.
      const scale = (width - gutter) / phase.ticks;
      g.fillStyle = color.line;
      g.fillRect(gutter, 2, width - gutter, 4);
      g.fillStyle = color.accent;
      g.fillRect(gutter + from * scale, 2, Math.max(2, (to - from) * scale), 4);
      grid(g, width, 10, height, true);
      phase.lanes.forEach((lane, row) => {
        const top = axis + row * laneHeight + 3, tall = laneHeight - 6;
        g.fillStyle = color.soft;
        g.textAlign = "right";
        g.fillText(lane.label, gutter - 8, top + tall / 2);
        g.save();
        g.beginPath(); g.rect(gutter, top, width - gutter, tall); g.clip();
        g.textAlign = "left";
        let drawn = -1;
        for (let i = firstAfter(lane, from); i < lane.start.length && lane.start[i] < to; i++) {
          const left = x(lane.start[i], width), right = x(lane.end[i], width);
          const isWanted = (hovered ?? chosen) === lane.kernel[i];
          if (right < drawn + .6 && !isWanted) continue;
          const wide = Math.max(right - left - (right - left > 3 ? .6 : 0), .8);
          g.globalAlpha = isDim(lane.kernel[i]) ? .18 : 1;
          g.fillStyle = fill(lane.kernel[i], lane.work[i]);
          g.fillRect(left, top, wide, tall);
          drawn = left + wide;
          if (wide > 46) label(g, left, wide, top + tall / 2,
            byWork ? D.works[lane.work[i]] : name(lane.kernel[i]));
        }
        g.restore();
        g.globalAlpha = 1;
      });
    }

    function label(g, left, wide, middle, text, ink = "#fff") {
      const start = Math.max(left, gutter) + 5, room = left + wide - start - 4;
      let shown = text;
      if (g.measureText(shown).width > room) {
        const fits = Math.floor(room / 6.2);
        if (fits < 4) return;
        shown = shown.slice(0, fits - 1) + "\u2026";
      }
      g.fillStyle = ink;
      g.fillText(shown, start, middle);
    }
    const name = (kernel) => kernels()[kernel] ? kernels()[kernel].label : "kernel " + kernel;

    // Addresses that nothing uses are drawn small, so that the others have room.
    const memoryHeight = 260, gapHeight = 18;
    let segments = [];
    function layOut() {
      const used = phase.regions.map((r) => [r[2], r[2] + r[3]]).sort((a, b) => a[0] - b[0]);
      segments = [];
      let last = 0;
      const add = (low, high, isGap) => { if (high > low) segments.push({low, high, isGap}); };
      for (const [low, high] of [...used, [D.sram_bytes, D.sram_bytes]]) {
        if (low - last > D.sram_bytes / 12) { add(last, low, true); last = low; }
        const open = segments.length ? segments[segments.length - 1] : null;
        if (open && !open.isGap) open.high = Math.max(open.high, high); else add(last, high, false);
        last = Math.max(last, high);
      }
      const gaps = segments.filter((s) => s.isGap).length;
      const bytes = segments.reduce((sum, s) => sum + (s.isGap ? 0 : s.high - s.low), 0) || 1;
      const room = memoryHeight - 16 - gaps * gapHeight;
      let bottom = memoryHeight - 8;
      for (const s of segments) {
        s.bottom = bottom;
        s.tall = s.isGap ? gapHeight : (s.high - s.low) / bytes * room;
        bottom -= s.tall;
      }
    }
    const y = (byte) => {
      const s = segments.find((each) => byte <= each.high) ?? segments[segments.length - 1];
      return s ? s.bottom - (byte - s.low) / (s.high - s.low) * s.tall : 0;
    };
    function byteAt(py) {
      const s = segments.find((each) => py > each.bottom - each.tall && py <= each.bottom);
      return s ? s.low + (s.bottom - py) / s.tall * (s.high - s.low) : -1;
    }

    function drawMemory() {
      memory.hidden = phase.regions.length === 0;
      if (memory.hidden) return;
      const [g, width] = context(memory, memoryHeight);
      grid(g, width, 0, memoryHeight, false);
      let free = Infinity;
      const mark = (byte) => {
        const py = y(byte);
        g.strokeStyle = color.line;
        g.beginPath(); g.moveTo(gutter, Math.round(py) + .5); g.lineTo(width, Math.round(py) + .5); g.stroke();
        if (free - py < 12) return;
        free = py;
        g.fillStyle = color.soft;
        g.textAlign = "right";
        g.fillText(number(byte / 1024, 1) + " KiB", gutter - 6, Math.min(Math.max(py, 7), memoryHeight - 7));
      };
      for (const s of segments) {
        mark(s.low);
        let every = 64;
        while (every / (s.high - s.low) * s.tall < 40) every *= 2;
        for (let byte = Math.ceil((s.low + 1) / every) * every; byte < s.high && !s.isGap; byte += every) {
          mark(byte);
        }
        if (!s.isGap) continue;
        g.fillStyle = color.line;
        g.globalAlpha = .5;
        g.fillRect(gutter, s.bottom - s.tall, width - gutter, s.tall);
        g.globalAlpha = 1;
        g.fillStyle = color.soft;
        g.textAlign = "left";
        g.fillText(number((s.high - s.low) / 1024, 1) + " KiB never used", gutter + 6, s.bottom - s.tall / 2);
      }
      mark(D.sram_bytes);
      g.save();
      g.beginPath(); g.rect(gutter, 0, width - gutter, memoryHeight); g.clip();
      g.textAlign = "left";
      for (const [kernel, , low, size, start, end, resident] of phase.regions) {
        if (end < from || start > to) continue;
        const left = x(start, width), wide = Math.max(x(end, width) - left - .5, .8);
        const top = y(low + size), tall = Math.max(y(low) - top - .5, 1);
        g.globalAlpha = isDim(kernel) ? .15 : resident ? .5 : 1;
        g.fillStyle = fill(kernel, 0);
        g.fillRect(left, top, wide, tall);
        if (wide < 60 || tall < 12 || byWork) continue;
        if (resident) g.globalAlpha *= 1.7;
        label(g, left, wide, top + tall / 2, name(kernel), resident ? color.ink : "#fff");
      }
      g.restore();
    }

    let isQueued = false;
    function draw() {
      if (isQueued) return;
      isQueued = true;
      requestAnimationFrame(() => { isQueued = false; drawTime(); drawMemory(); });
    }
    function look(a, b) {
      const least = Math.min(phase.ticks, 8 * D.ticks_per_cycle);
      let wide = Math.min(Math.max(b - a, least), phase.ticks), start = (a + b - wide) / 2;
      start = Math.min(Math.max(start, 0), phase.ticks - wide);
      from = start; to = start + wide;
      $("shown").textContent = number(Math.floor(cycles(from))) + " \u2013 " + number(Math.ceil(cycles(to))) + " cycles ("
        + number(micro(to - from), 3) + " \u00b5s)";
      draw();
    }
    const zoom = (factor, at = (from + to) / 2) => look(at - (at - from) * factor, at + (to - at) * factor);
    const pan = (part) => look(from + (to - from) * part, to + (to - from) * part);

    function eventAt(px, py, width) {
      const row = Math.floor((py - axis) / laneHeight), lane = phase.lanes[row];
      if (!lane || px < gutter) return null;
      const reach = (to - from) / (width - gutter) * 2, tick = tickAt(px, width);
      const i = firstAfter(lane, tick - reach);
      if (i >= lane.start.length || lane.start[i] > tick + reach) return null;
      return {kernel: lane.kernel[i], start: lane.start[i], end: lane.end[i], lines: [
        lane.label + ": " + D.works[lane.work[i]], span(lane.end[i] - lane.start[i]),
        "from " + number(cycles(lane.start[i]), 1) + " to " + number(cycles(lane.end[i]), 1)]};
    }
    function regionAt(px, py, width) {
      const tick = tickAt(px, width);
      const byte = byteAt(py);
      for (let i = phase.regions.length - 1; i >= 0; i--) {
        const [kernel, tensor, low, size, start, end, resident, copied] = phase.regions[i];
        if (tick < start || tick > end || byte < low || byte >= low + size) continue;
        const what = D.names[tensor];
        return {kernel, start, end, lines: [
          (resident ? "resident, " : copied ? "copied in, " : "") + number(size) + " bytes a slice at " + number(low),
          ...(what ? ["holds " + what] : []),
          "from " + number(cycles(start), 1) + " to " + number(cycles(end), 1)]};
      }
      return null;
    }

    function show(found, event) {
      tip.hidden = !found;
      if (!found) return;
      const entry = kernels()[found.kernel];
      tip.replaceChildren(...[entry ? entry.title : name(found.kernel), ...found.lines].map((text, i) => {
        const line = document.createElement(i ? "div" : "b");
        line.textContent = text;
        return line;
      }));
      const box = tip.getBoundingClientRect();
      tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
      const below = event.clientY + 16;
      tip.style.top = (below + box.height > innerHeight ? event.clientY - box.height - 10 : below) + "px";
    }
    function hover(kernel) {
      if (hovered === kernel) return;
      hovered = kernel;
      draw();
    }
    function choose(kernel) {
      chosen = chosen === kernel ? null : kernel;
      document.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
      const row = chosen === null ? null : rowOf(phase.device, chosen);
      if (row) row.classList.add("chosen");
      draw();
    }
    const rowOf = (device, kernel) =>
      document.querySelector(`tr[data-device="${device}"][data-kernel="${kernel}"]`);

    for (const [canvas, find] of [[time, eventAt], [memory, regionAt]]) {
      let drag = null;
      const at = (event) => {
        const box = canvas.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top, box.width];
      };
      canvas.addEventListener("pointerdown", (event) => {
        drag = {px: event.clientX, from, to, moved: false};
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (drag) {
          const moved = event.clientX - drag.px;
          if (Math.abs(moved) > 3) drag.moved = true;
          const ticks = moved / (canvas.clientWidth - gutter) * (drag.to - drag.from);
          if (drag.moved) look(drag.from - ticks, drag.to - ticks);
          return;
        }
        const found = find(...at(event));
        show(found, event);
        hover(found ? found.kernel : null);
      });
      canvas.addEventListener("pointerup", (event) => {
        const found = drag && !drag.moved ? find(...at(event)) : null;
        if (drag && !drag.moved) choose(found ? found.kernel : chosen);
        drag = null;
      });
      canvas.addEventListener("pointerleave", () => { show(null); hover(null); });
      canvas.addEventListener("dblclick", (event) => {
        const found = find(...at(event));
        if (found) look(found.start - (found.end - found.start) * .1, found.end + (found.end - found.start) * .1);
        else look(0, phase.ticks);
      });
      canvas.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        const [px, , width] = at(event);
        zoom(Math.exp(event.deltaY * .0025), tickAt(px, width));
      }, {passive: false});
      canvas.addEventListener("keydown", (event) => {
        const keys = {ArrowLeft: () => pan(-.2), ArrowRight: () => pan(.2), "+": () => zoom(.6),
          "=": () => zoom(.6), "-": () => zoom(1 / .6), 0: () => look(0, phase.ticks)};
        if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
      });
    }
    $("in").onclick = () => zoom(.5);
    $("out").onclick = () => zoom(2);
    $("fit").onclick = () => look(0, phase.ticks);
    $("coloring").onchange = (event) => { byWork = event.target.value === "work"; draw(); };
    function showProgram() {
      document.querySelectorAll("[data-program]").forEach((part) => {
        part.hidden = Number(part.dataset.program) !== phase.device;
      });
    }
    $("phase").onchange = (event) => {
      phase = phases[event.target.value];
      showProgram();
      chosen = hovered = null;
      layOut();
      look(0, phase.ticks);
    };

    // Tables: a click on a head sorts, the next one turns around.
    document.querySelectorAll("table.sortable").forEach((table) => {
      const body = table.tBodies[0];
      table.querySelectorAll("thead th").forEach((head, column) => {
        head.querySelector("button").onclick = () => {
          const isWord = head.classList.contains("word");
          const was = head.getAttribute("aria-sort");
          const direction = was === "descending" ? 1 : was === "ascending" ? -1 : isWord ? 1 : -1;
          table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
          head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
          const key = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent;
          const rows = [...body.rows].map((row, index) => ({row, index, key: key(row)}));
          rows.sort((a, b) => (isWord ? a.key.localeCompare(b.key, "en") : a.key - b.key) * direction
            || a.index - b.index);
          body.append(...rows.map((each) => each.row));
        };
      });
      body.addEventListener("pointerover", (event) => {
        const row = event.target.closest("tr");
        if (row && Number(row.dataset.device) === phase.device) hover(Number(row.dataset.kernel));
      });
      body.addEventListener("pointerleave", () => hover(null));
      body.addEventListener("click", (event) => {
        const row = event.target.closest("tr");
        if (!row) return;
        const device = Number(row.dataset.device);
        const index = phases.findIndex((each) => each.device === device && !each.load);
        if (phase !== phases[index]) { $("phase").value = index; $("phase").onchange({target: $("phase")}); }
        chosen = null;
        choose(Number(row.dataset.kernel));
        const start = Number(row.dataset.start), end = Number(row.dataset.end);
        if (end > start) look(start - (end - start) * .15, end + (end - start) * .15);
      });
    });
    const search = $("search");
    if (search) search.oninput = () => {
      const wanted = search.value.toLowerCase();
      document.querySelectorAll("table.kernels tbody tr").forEach((row) => {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
      });
    };

    readColors();
    showProgram();
    layOut();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); draw(); });
    addEventListener("resize", draw);
    look(0, phase.ticks);
    document.documentElement.dataset.ready = "yes";
    })();
    """#
}
