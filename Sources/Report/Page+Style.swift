extension Page {
  static let style = """
    :root {
      --paper: #f6f7f9; --card: #ffffff; --ink: #1a2130; --soft: #5a6579; --line: #e1e5ec; --accent: #2459c9;
      --tint: #eef3fd; --good: #1a7f4b; --bad: #b3261e; --warn-bg: #fff6e0; --warn-line: #e6c36a; --warn: #6b4e00;
      --heat: 36, 89, 201; --miss: 200, 60, 40;
      --s0: #2f6fde; --s1: #d9622b; --s2: #1f9d6b; --s3: #a24bc4; --s4: #c79a14; --s5: #d33d6e; --s6: #3aa6c4;
      --s7: #7d6a52; --s8: #6d7b8f; --s9: #7d9c1e;
    }
    @media (prefers-color-scheme: dark) { :root {
      --paper: #10141b; --card: #181e28; --ink: #e8ebf1; --soft: #9ba6ba; --line: #2a3342; --accent: #86b1ff;
      --tint: #1c2a44; --good: #5fd39a; --bad: #ff8a7d; --warn-bg: #2b2413; --warn-line: #6e5a22; --warn: #f0d48a;
      --heat: 96, 150, 255; --miss: 255, 110, 84;
      --s0: #6ea8ff; --s1: #ff9a66; --s2: #55cf9d; --s3: #cf8bea; --s4: #e7c350; --s5: #ff7fa6; --s6: #6fd3ec;
      --s7: #bfa98d; --s8: #a5b1c4; --s9: #b5d354;
    } }
    * { box-sizing: border-box; }
    body {
      margin: 0; background: var(--paper); color: var(--ink);
      font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
    }
    header, nav, main, footer { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
    header { padding-top: 40px; }
    h1 { font-size: clamp(1.6rem, 4.5vw, 2.3rem); line-height: 1.2; margin: 0 0 6px; letter-spacing: -.015em;
      overflow-wrap: anywhere; }
    h2 { font-size: 1.3rem; margin: 0 0 4px; letter-spacing: -.01em; }
    h3 { font-size: 1rem; margin: 22px 0 8px; overflow-wrap: anywhere; }
    p { margin: 0 0 12px; } section > p:last-child { margin: 0; } .single { max-width: 128px; }
    .lead, .soft { color: var(--soft); } .lead { max-width: 46rem; }
    a { color: var(--accent); text-underline-offset: 2px; }
    :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
    .store { position: absolute; }
    nav ul { display: flex; flex-wrap: wrap; gap: 6px; padding: 0; margin: 22px 0 6px; list-style: none; }
    nav a { display: block; padding: 5px 12px; border: 1px solid var(--line); border-radius: 99px; background: var(--card);
      color: var(--ink); text-decoration: none; font-size: .87rem; }
    nav a:hover { border-color: var(--accent); color: var(--accent); }
    section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 24px; margin: 16px 0; }
    section section { border: 0; padding: 0; margin: 0; }
    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 22px 0 0; }
    .tile { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 14px 16px; }
    .tile.main { background: var(--tint); border-color: transparent; }
    .tile dt { color: var(--soft); font-size: .82rem; } .tile dd { margin: 0; }
    .tile .value { font-size: 1.55rem; font-weight: 650; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
    .tile .note { display: block; color: var(--soft); font-size: .82rem; }
    .warnings { list-style: none; margin: 0; padding: 0; display: grid; gap: 10px; }
    .warnings li { background: var(--warn-bg); border: 1px solid var(--warn-line); border-radius: 10px; padding: 12px 16px;
      overflow-wrap: anywhere; }
    .warnings strong { display: block; color: var(--warn); }
    .fine { color: var(--good); font-weight: 600; }
    .scroll { overflow-x: auto; margin: 0 -4px; padding: 4px; } .scroll + p { margin-top: 14px; }
    table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
    caption { text-align: left; color: var(--soft); padding-bottom: 8px; }
    th, td { padding: 7px 10px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: middle; }
    thead th { color: var(--soft); font-weight: 500; font-size: .82rem; }
    tbody th { font-weight: 550; overflow-wrap: anywhere; min-width: 10rem; }
    .n { text-align: right; white-space: nowrap; }
    .facts th { width: 13rem; min-width: 0; color: var(--soft); font-weight: 400; } .facts td { overflow-wrap: anywhere; }
    .bar { position: relative; height: 10px; min-width: 110px; background: var(--line); border-radius: 5px; }
    .bar i { position: absolute; top: 0; bottom: 0; left: 0; background: var(--s0); border-radius: 5px; }
    .bar b { position: absolute; top: 3px; height: 4px; background: var(--ink); opacity: .55; border-radius: 2px; }
    .two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); gap: 20px 32px; }
    .two > * { min-width: 0; }
    .gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); gap: 16px 14px; padding: 0;
      margin: 12px 0 0; list-style: none; }
    figure { margin: 0; } figcaption { font-size: .82rem; line-height: 1.4; margin-top: 6px; overflow-wrap: anywhere; }
    figcaption .file { display: block; color: var(--soft); font-size: .76rem; }
    .pic { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 8px; background: var(--line); }
    .pic, .pair img, .augmented img { outline: 1px solid var(--line); outline-offset: -1px; }
    .px { image-rendering: pixelated; }
    .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; } .pair img { width: 100%; height: auto;
      border-radius: 8px; }
    .maps { grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); }
    .row { display: flex; gap: 10px; align-items: flex-start; overflow-x: auto; padding: 10px 4px;
      border-bottom: 1px solid var(--line); }
    .row:last-child { border-bottom: 0; } .row > figure { flex: 0 0 104px; }
    .row > figure:first-child { margin-right: 14px; flex-basis: 124px; }
    .sheet { max-width: 100%; height: auto; border-radius: 8px; background: #fff; }
    .augmented img { flex: 0 0 auto; width: 104px; height: 104px; object-fit: contain; border-radius: 8px; }
    .ok { color: var(--good); } .no { color: var(--bad); }
    .matrix { width: auto; border-collapse: separate; border-spacing: 2px; }
    .matrix th, .matrix td { border: 0; padding: 0; min-width: 0; }
    .matrix caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .matrix thead th { vertical-align: bottom; text-align: left; height: 7.9rem; width: 2.7rem; padding-bottom: 6px; }
    .matrix thead th span { display: block; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 7.4rem;
      overflow: hidden; text-overflow: ellipsis; white-space: nowrap; margin: 0 auto; }
    .matrix tbody th { text-align: right; padding-right: 10px; white-space: nowrap; max-width: 11rem; overflow: hidden;
      text-overflow: ellipsis; font-weight: 500; font-size: .87rem; position: sticky; left: 0; background: var(--card); }
    .matrix td { width: 2.7rem; min-width: 1.9rem; height: 2.4rem; text-align: center; border-radius: 5px; color: var(--soft); }
    .matrix td.right { background: rgba(var(--heat), var(--v)); } .matrix td.wrong { background: rgba(var(--miss), var(--v)); }
    .matrix td.strong, .matrix td.strong a { color: #fff; }
    .matrix a { display: grid; place-items: center; width: 100%; height: 100%; color: var(--ink); border-radius: 5px; }
    @media (prefers-color-scheme: dark) { .matrix td.strong, .matrix td.strong a { color: #0c1016; } }
    .cell { display: none; margin-top: 16px; padding-top: 6px; border-top: 1px solid var(--line); }
    .cell:target { display: block; scroll-margin-top: 16px; } .cell > p:last-child { margin: 16px 0 0; }
    .hint { color: var(--soft); margin: 14px 0 0; } .cells:has(.cell:target) .hint { display: none; }
    .plot .axis { stroke: var(--line); } .plot circle { fill-opacity: .75; } .plot circle:not(.miss) { stroke: none; }
    .plot circle.miss { fill: none; stroke-width: 2; }
    .square { max-width: 420px; }
    .plot .bars { fill: var(--s0); fill-opacity: .85; } .plot .ideal { stroke: var(--soft); stroke-dasharray: 4 4; }
    details { margin-top: 12px; } summary { cursor: pointer; color: var(--accent); }
    code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace; background: var(--paper); padding: 1px 5px;
      border-radius: 4px; overflow-wrap: anywhere; }
    footer { color: var(--soft); font-size: .85rem; padding: 18px 20px 48px; overflow-wrap: anywhere; }
    @media (max-width: 560px) {
      header { padding-top: 24px; } section { padding: 18px 14px; border-radius: 12px; }
      header, nav, main, footer { padding-left: 12px; padding-right: 12px; }
      .tiles { grid-template-columns: 1fr 1fr; gap: 8px; } .tile { padding: 11px 12px; } .tile .value { font-size: 1.25rem; }
      nav ul { flex-wrap: nowrap; overflow-x: auto; padding-bottom: 6px; } nav a { white-space: nowrap; }
      .gallery { grid-template-columns: repeat(auto-fill, minmax(120px, 1fr)); }
      .maps { grid-template-columns: 1fr; } .chart { overflow: visible; } .chart text { font-size: 18px; }
      .chart.square text { font-size: 13px; } .plot circle { r: 9px; } .plot circle.miss { stroke-width: 4; }
      .facts th { width: 8rem; }
    }
    @media print {
      :root { --paper: #fff; } nav { display: none; } .hint { display: none; }
      body { font-size: 10.5pt; } section { border: 0; padding: 0; margin: 0 0 22px; }
      figure, tr, svg, .tile, .two > *, .warnings li, .row, p { break-inside: avoid; }
      h2, h3, .lead, h3 + .soft { break-after: avoid; } .legend { break-before: avoid; }
      .two { grid-template-columns: 1fr 1fr; gap: 16px 24px; }
      .scroll, .row { overflow: visible; } .row { flex-wrap: wrap; }
      .row > figure { flex-basis: 76px; } .row > figure:first-child { flex-basis: 88px; }
      .augmented img { width: 70px; height: 70px; }
      * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
    }
    """
}
