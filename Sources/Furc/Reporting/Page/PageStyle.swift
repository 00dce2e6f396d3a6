/// How the page looks, by day and by night.
enum PageStyle {
  static let text = #"""
    :root {
      --paper: #f7f7f5; --panel: #fff; --ink: #1d2126; --soft: #69717b; --line: #e3e4e2;
      --accent: #2f6690; --accent-soft: #dfe9f0; --warn: #a4501c; --fill-light: 47%;
      color-scheme: light dark;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --paper: #14171a; --panel: #1b1f23; --ink: #e4e6e8; --soft: #97a0a9; --line: #2c3137;
        --accent: #7db2d6; --accent-soft: #24394a; --warn: #e0a070; --fill-light: 44%;
      }
    }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    body {
      margin: 0; background: var(--paper); color: var(--ink);
      font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
      font-variant-numeric: tabular-nums;
    }
    main { max-width: 1320px; margin: 0 auto; padding: 28px 24px 64px; }
    header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px; margin-bottom: 18px; }
    h1 { font-size: 24px; font-weight: 650; margin: 0; letter-spacing: -.01em; }
    h2 { font-size: 15px; font-weight: 650; margin: 0 0 10px; }
    h3 { font-size: 13px; font-weight: 650; margin: 16px 0 6px; }
    h2 small { font-weight: 400; color: var(--soft); margin-left: 8px; font-size: 13px; }
    .soft { color: var(--soft); }
    .hash { font: 11px ui-monospace, monospace; color: var(--soft); overflow-wrap: anywhere; }
    section, .card {
      background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
    }
    section { padding: 16px 18px; margin-top: 14px; }
    .cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 10px; }
    @media (max-width: 860px) { .cards { grid-template-columns: 1fr 1fr; } }
    .card { padding: 11px 14px 12px; }
    .card dt { color: var(--soft); font-size: 12px; }
    .card dd { margin: 1px 0 0; font-size: 21px; font-weight: 600; letter-spacing: -.01em; white-space: nowrap; }
    .card dd small { font-size: 12px; font-weight: 400; color: var(--soft); letter-spacing: 0; }
    .card p { margin: 0; font-size: 12px; color: var(--soft); }
    dl { margin: 0; }
    .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
    @media (max-width: 860px) { .pair { grid-template-columns: 1fr; } }
    .pair > section { min-width: 0; }
    .bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: 5px 10px; align-items: center; }
    .bars .track { background: var(--line); height: 9px; border-radius: 2px; overflow: hidden; }
    .bars .track i { display: block; height: 100%; background: var(--soft); opacity: .65; min-width: 1px; }
    .bars .binding { font-weight: 600; }
    .bars .binding + .track i { background: var(--accent); opacity: 1; }
    .bars .value { text-align: right; }
    .parts { display: flex; height: 14px; border-radius: 3px; overflow: hidden; background: var(--line); gap: 1px; }
    .parts i { min-width: 1px; }
    .legend { display: flex; flex-wrap: wrap; gap: 4px 26px; margin-top: 8px; }
    .legend i { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 7px; }
    .part0 { background: var(--accent); } .part1 { background: hsl(32 40% 55%); }
    .part2 { background: hsl(285 20% 55%); } .part3 { background: hsl(150 25% 45%); }
    .tools { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin-bottom: 8px; }
    .tools .grow { flex: 1; }
    button, select, input {
      font: inherit; font-size: 13px; color: inherit; background: var(--panel);
      border: 1px solid var(--line); border-radius: 5px; padding: 3px 9px;
    }
    button:hover, select:hover { border-color: var(--soft); }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
    canvas { display: block; width: 100%; touch-action: pan-y; cursor: crosshair; }
    #memory { margin-top: 10px; }
    .hint { color: var(--soft); font-size: 12px; margin: 8px 0 0; }
    #tip {
      position: fixed; z-index: 9; pointer-events: none; max-width: 440px; font-size: 12px;
      background: var(--panel); border: 1px solid var(--soft); border-radius: 5px; padding: 6px 9px;
      box-shadow: 0 3px 14px rgb(0 0 0 / .18);
    }
    .scroll { overflow-x: auto; margin: 0 -18px; padding: 0 18px; }
    table { border-collapse: collapse; width: 100%; font-size: 13px; }
    th, td { text-align: right; padding: 4px 7px; border-bottom: 1px solid var(--line); white-space: nowrap; }
    th { color: var(--soft); font-weight: 500; vertical-align: bottom; }
    .sortable th { padding: 0; }
    th button { border: 0; background: none; padding: 4px 7px; font-weight: 500; cursor: pointer; }
    th[aria-sort] button { color: var(--ink); font-weight: 650; }
    th[aria-sort="descending"] button::after { content: " \2193"; }
    th[aria-sort="ascending"] button::after { content: " \2191"; }
    td.word, th.word { text-align: left; }
    td.wide { white-space: normal; min-width: 260px; }
    td.name { max-width: 300px; overflow: hidden; text-overflow: ellipsis; }
    .sortable tbody tr { cursor: pointer; }
    .sortable tbody tr:hover td { background: color-mix(in srgb, var(--accent-soft) 45%, transparent); }
    tr.chosen td { background: var(--accent-soft); }
    .share { display: inline-block; width: 40px; height: 8px; background: var(--line); border-radius: 2px;
      vertical-align: middle; margin-right: 7px; overflow: hidden; }
    .share + span { display: inline-block; min-width: 66px; }
    .share i { display: block; height: 100%; background: var(--accent); }
    .warn { color: var(--warn); }
    details summary { cursor: pointer; font-weight: 650; font-size: 15px; }
    details[open] summary { margin-bottom: 10px; }
    footer { color: var(--soft); font-size: 12px; margin-top: 18px; }
    """#
}
