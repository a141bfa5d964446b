"use strict";
// The axis of the rating chart
for (const input of document.querySelectorAll(".axes input"))
  input.addEventListener("change", () => {
    for (const chart of document.querySelectorAll("[data-axis]")) chart.hidden = chart.dataset.axis !== input.value;
  });

// The viewer of sample games: buttons, arrow keys, a click on a move
const games = JSON.parse(document.getElementById("games").textContent);
const viewer = document.querySelector(".viewer");
if (viewer && games.length) {
  const find = (name) => viewer.querySelector(name);
  const chess = ["", "\u265F", "\u265E", "\u265D", "\u265C", "\u265B", "\u265A"];
  let game = games[games.length - 1], ply = game.moves.length;

  const grounds = { connect_four: "#2b5fa8", othello: "#3f8a5c", hex: "none" };
  const stones = { connect_four: ["#f0c419", "#d23f31"], chess: ["#fafafa", "#1b1b1b"], tictactoe: ["#1b1b1b", "#b3261e"], hex: ["#b42a24", "#7ac0f0"] };
  const rim = 0.85; // cells that the coloured rhombus of Hex reaches beyond the middles of the outermost hexagons
  const colours = (kind) => stones[kind] ?? ["#1b1b1b", "#fafafa"];
  const disc = (x, y, r, fill, name) => `<circle class="${name}" cx="${x}" cy="${y}" r="${r}" fill="${fill}" stroke="#333" stroke-width=".03"/>`;
  const cross = (x, y, ink) => `<path class="stone" d="M${x - 0.28} ${y - 0.28}l.56 .56m0 -.56l-.56 .56" stroke="${ink}" stroke-width=".13" stroke-linecap="round"/>`;
  const ring = (x, y, ink) => `<circle class="stone" cx="${x}" cy="${y}" r=".3" fill="none" stroke="${ink}" stroke-width=".13"/>`;

  function board() {
    const { height: h, width: w, kind } = game, cells = game.boards[ply], last = game.last[ply], out = [];
    const hex = kind === "hex", shift = (y) => (hex ? y * 0.5 : 0), step = hex ? 0.866 : 1;
    const across = hex ? w - 1 + (h - 1) / 2 + 3 * rim : w, down = hex ? (h - 1 + 2 * rim) * step : h;
    const [left, top] = hex ? [0.5 - 1.5 * rim, 0.58 - rim * step] : [0, 0];
    const [first, second] = colours(kind);
    out.push(`<rect x="${left}" y="${top}" width="${across}" height="${down}" fill="${grounds[kind] ?? "var(--wood)"}"/>`);
    if (kind === "lines") {
      for (let i = 0; i < h; i++) out.push(`<path d="M.5 ${i + 0.5}H${w - 0.5}" stroke="var(--grid)" stroke-width=".04"/>`);
      for (let i = 0; i < w; i++) out.push(`<path d="M${i + 0.5} .5V${h - 0.5}" stroke="var(--grid)" stroke-width=".04"/>`);
    }
    if (hex) { // top and bottom are the first player's to join, left and right the second's
      const at = (y, x) => `${x + 0.5 + shift(y)},${y * step + 0.58}`, low = -rim, below = h - 1 + rim, right = w - 1 + rim;
      const corners = [at(low, low), at(low, right), at(below, right), at(below, low)], middle = at((h - 1) / 2, (w - 1) / 2);
      corners.forEach((corner, i) => out.push(`<polygon points="${corner} ${corners[(i + 1) % 4]} ${middle}" fill="${i % 2 ? second : first}"/>`));
    }
    for (let p = 0; p < h * w; p++) {
      const y = Math.floor(p / w), x = p % w, cx = x + 0.5 + shift(y), cy = y * step + (hex ? 0.58 : 0.5), value = cells[p];
      const lit = p === last && value;
      if (hex) {
        const corners = [0, 1, 2, 3, 4, 5].map((k) => `${cx + 0.577 * Math.sin(k * Math.PI / 3)},${cy + 0.577 * Math.cos(k * Math.PI / 3)}`);
        out.push(`<polygon points="${corners.join(" ")}" fill="var(--wood)" stroke="var(--grid)" stroke-width=".04"/>`);
      } else if (kind === "squares" || kind === "chess") {
        const dark = (x + y) % 2;
        out.push(`<rect x="${x}" y="${y}" width="1" height="1" fill="${dark ? "#8a6b3a" : "#e8c98f"}" opacity=".75"/>`);
        if (lit && kind === "chess") out.push(`<rect class="last" x="${x}" y="${y}" width="1" height="1" fill="var(--c1)" opacity=".5"/>`);
      } else if (kind === "othello" || kind === "tictactoe") {
        out.push(`<rect x="${x}" y="${y}" width="1" height="1" fill="none" stroke="var(--grid)" stroke-width=".04"/>`);
      } else if (kind === "connect_four") out.push(disc(cx, cy, 0.42, "var(--paper)", "hole"));
      if (kind === "chess" && value) {
        const piece = chess[Math.abs(value)], fill = value > 0 ? "#fff" : "#111", rim = value > 0 ? "#111" : "#ddd";
        out.push(`<text x="${cx}" y="${cy + 0.32}" font-size=".9" text-anchor="middle" fill="${fill}" stroke="${rim}" stroke-width=".02">${piece}</text>`);
      } else if (value && kind === "tictactoe") out.push(value > 0 ? cross(cx, cy, first) : ring(cx, cy, second));
      else if (value) {
        const r = { hex: 0.38, connect_four: 0.42 }[kind] ?? 0.46;
        out.push(disc(cx, cy, r, value > 0 ? first : second, "stone"));
      }
      if (lit && kind !== "chess") out.push(`<circle class="last" cx="${cx}" cy="${cy}" r=".14" fill="var(--c1)" stroke="#fff" stroke-width=".04"/>`);
    }
    return `<svg viewBox="${left} ${top} ${across} ${down}" role="img" aria-label="board after ply ${ply}">${out.join("")}</svg>`;
  }

  function show(to) {
    ply = Math.max(0, Math.min(game.moves.length, to));
    find(".board").innerHTML = board();
    find(".ply").textContent = `${ply} of ${game.moves.length}`;
    find(".seat").innerHTML = colours(game.kind).map((c) => `<i style="background:${c}"></i><span></span>`).join("");
    find(".seat").querySelectorAll("span").forEach((span, i) => (span.textContent = game.players[i]));
    const list = find(".moves");
    list.replaceChildren(...game.moves.map((name, i) => {
      const move = document.createElement("a");
      move.textContent = `${i % 2 ? "" : `${i / 2 + 1}. `}${name}`;
      if (i + 1 === ply) move.className = "now";
      move.addEventListener("click", () => show(i + 1));
      return move;
    }));
    const now = list.querySelector(".now");
    if (now) list.scrollTop = now.offsetTop - list.offsetTop - list.clientHeight / 2;
  }

  const choice = find("select");
  games.forEach((g, i) => choice.add(new Option(g.title, i, false, i === games.length - 1)));
  choice.addEventListener("change", () => { game = games[choice.value]; show(game.moves.length); });
  const steps = { start: () => 0, back: () => ply - 1, on: () => ply + 1, end: () => game.moves.length };
  for (const [name, to] of Object.entries(steps)) find(`.${name}`).addEventListener("click", () => show(to()));
  const keys = { Home: "start", ArrowLeft: "back", ArrowRight: "on", End: "end" };
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName !== "SELECT" && keys[event.key]) { event.preventDefault(); show(steps[keys[event.key]]()); }
  });
  show(ply);
}
