// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tessera::report {

/// The style sheet of a page: light and dark, narrow and wide.
inline constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--text:#1b2430;--soft:#5b6775;--rule:#dde2e8;--grid:#e6eaef;
--s0:#2563eb;--s1:#d9700b;--s2:#0c8a63;--s3:#c62f4b;--s4:#7c3aed;--s5:#0a7f9c;--s6:#a83279;--s7:#5f7d0c}
@media (prefers-color-scheme:dark){:root{--page:#11161c;--card:#1a2129;--text:#e3e8ee;--soft:#98a5b3;--rule:#303a45;
--grid:#2a333d;--s0:#6aa1ff;--s1:#f5a14b;--s2:#46cba0;--s3:#ff7d92;--s4:#b493ff;--s5:#57c6e3;--s6:#ef86c4;--s7:#a9cf4f}}
.c0{--c:var(--s0)}.c1{--c:var(--s1)}.c2{--c:var(--s2)}.c3{--c:var(--s3)}.c4{--c:var(--s4)}.c5{--c:var(--s5)}
.c6{--c:var(--s6)}.c7{--c:var(--s7)}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main,header,footer{max-width:1240px;margin:0 auto;padding:0 16px}
header{padding-top:24px}
h1{font-size:24px;line-height:1.2;margin:0 0 4px}
h2{font-size:18px;margin:0 0 10px}
p{margin:0 0 10px}
.soft,footer,figcaption{color:var(--soft);font-size:13px}
footer{padding-bottom:32px}
section,.card{background:var(--card);border:1px solid var(--rule);border-radius:10px}
section{padding:16px;margin:16px 0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,260px),1fr));gap:16px;margin:16px 0}
.card{padding:14px 16px;border-top:4px solid var(--c);overflow-wrap:anywhere}
.card h2{margin:0;font-size:16px}
.card .big{font-size:32px;font-weight:650;line-height:1.2;margin:6px 0 2px}
.card .big small{font-size:14px;font-weight:400;color:var(--soft)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:16px 32px}
figure{margin:0 0 12px;min-width:0;max-width:500px}
figcaption{margin-bottom:4px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg.inline{display:inline-block;vertical-align:middle;width:100px;height:12px;margin-left:8px}
.grid{stroke:var(--grid);stroke-width:1}
.curve{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}
.dot,.bar{fill:var(--c)}
.interval{stroke:var(--c);stroke-width:2.5;stroke-opacity:.55;stroke-linecap:round}
.target{stroke:var(--text);stroke-width:2}
.scroll{overflow:auto;max-height:640px;margin-bottom:10px}
@media print{.scroll{max-height:none}}
table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px 4px 0;text-align:right;vertical-align:top;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600;color:var(--soft)}
thead th{position:sticky;top:0;background:var(--card)}
tbody th{color:var(--text);font-weight:400}
th:first-child,td.text,th.text{text-align:left;white-space:normal;overflow-wrap:anywhere}
th:first-child{min-width:150px;max-width:380px}
td.text{min-width:150px;max-width:520px}
.run::before{content:"";display:inline-block;width:10px;height:10px;border-radius:5px;background:var(--c);margin-right:6px}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;margin:0 0 10px;font-size:13px;overflow-wrap:anywhere}
.missing{border-left:3px solid var(--s1);padding-left:10px;overflow-wrap:anywhere}
details{margin-bottom:10px}
summary{cursor:pointer;color:var(--soft);font-size:13.5px;margin-bottom:6px}
code{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
@media print{section,.card{break-inside:avoid}}
)css";

}  // namespace tessera::report
