extension Report {
  /// What stands before the first section: the policy, the style, the title.
  var head: HTML {
    """
    <!DOCTYPE html>
    <html lang="en"><head><meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>FP8 report</title>
    <style>
    :root { --ink: #1b1f24; --dim: #57606a; --page: #ffffff; --ground: #eef1f4; --mark: #2f6fb5; --soft: #a9c6e6; --lost: #c4321f; --line: #d0d7de; --stroke: #111418 }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #e6edf3; --dim: #9aa5b1; --page: #12161b; --ground: #222a33; --mark: #5b9be0; --soft: #33557c; --lost: #f0776a; --line: #333c46; --stroke: #ffffff }
    }
    body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, sans-serif }
    main { max-width: 72rem; margin: 0 auto; padding: 1rem }
    h1 { font-size: 1.5rem; margin: .5rem 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
    p, footer { max-width: 46rem; color: var(--dim) } footer { margin-top: 2rem; overflow-wrap: anywhere }
    dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .75rem; margin: 1rem 0 }
    dt { color: var(--dim); font-size: .85rem } dd { margin: 0; font-weight: 600; overflow-wrap: anywhere }
    .scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .9rem }
    th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: middle }
    th[scope=row] { font-weight: 500; overflow-wrap: anywhere; min-width: 12rem } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
    .wide, .axis { min-width: 10rem; width: 30% } .reason { min-width: 12rem }
    svg { display: block; width: 100% } .bar { height: 10px } .range { height: 14px } .plot { height: 90px }
    .ground { fill: var(--ground) } .mark { fill: var(--mark) } .soft { fill: var(--soft) } .lost { fill: var(--lost) } .stroke { fill: var(--stroke) }
    .ticks { position: relative; height: 1.3em; font-weight: 400; color: var(--dim) } .tick { position: absolute; transform: translateX(-50%) } .tick sup { font-size: .7em }
    .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem }
    figure { margin: 0 } figcaption { font-size: .9rem; overflow-wrap: anywhere } .ends { display: flex; justify-content: space-between; gap: 1rem; color: var(--dim); font-size: .8rem }
    </style></head>
    <body><main>
    <h1>FP8 report</h1>

    """
  }
}
