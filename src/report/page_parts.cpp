// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "report/page_parts.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

namespace tessera::report {

Cell fixed(double value, int decimals) { return {fmt::format("{:.{}f}", value, decimals), fmt::format("{}", value)}; }
Cell signed_fixed(double value) { return {fmt::format("{:+.4f}", value), fmt::format("{}", value)}; }
Cell whole(std::uint64_t value) { return {text::with_thousands(value), fmt::format("{}", value)}; }
Cell words(const std::string& text) { return {text, {}, true}; }
Cell bytes(std::uint64_t value) { return {text::bytes(value), fmt::format("{}", value)}; }
Cell interval(const evaluate::Interval& value) {
  return {fmt::format("{:.4f} to {:.4f}", value.low, value.high), fmt::format("{} to {}", value.low, value.high)};
}
Cell nothing() { return {"–"}; }

namespace {

void draw_heading(Html& html, const TableColumn& column) {
  const auto cell = html.open("th", {{"scope", "col"}, {"class", column.is_text ? "text" : ""}});
  if (column.run)
    html.element("span", column.title, {{"class", "run " + colour(*column.run)}});
  else
    html.text(column.title);
}

void draw_cell(Html& html, const Cell& cell) {
  if (cell.mark) {
    const auto td = html.open("td", {{"class", "mark"}, {"title", cell.exact}});
    html.text(cell.text);
    draw_inline(html, *cell.mark);
  } else if (cell.is_text)
    html.element("td", cell.text, {{"class", "text"}});
  else if (cell.exact.empty())
    html.element("td", cell.text);
  else
    html.element("td", cell.text, {{"title", cell.exact}});
}

void draw_row(Html& html, const std::vector<Cell>& cells) {
  const auto row = html.open("tr");
  html.element("th", cells.front().text, {{"scope", "row"}});
  for (std::size_t i = 1; i < cells.size(); ++i) draw_cell(html, cells[i]);
}

}  // namespace

void draw(Html& html, const Table& table) {
  const auto scroll = html.open("div", {{"class", "scroll"}, {"tabindex", "0"}});
  const auto element = html.open("table", {{"id", table.id}});
  {
    const auto head = html.open("thead");
    const auto row = html.open("tr");
    for (const TableColumn& column : table.columns) draw_heading(html, column);
  }
  const auto body = html.open("tbody");
  for (const auto& cells : table.rows) draw_row(html, cells);
}

void draw_folded(Html& html, const std::string& summary, const Table& table) {
  const auto details = html.open("details");
  html.element("summary", summary);
  draw(html, table);
}

void draw_missing(Html& html, const Report& report, Section section) {
  for (const RunFigures& run : report.runs) {
    const auto found = run.missing.find(section);
    if (found == run.missing.end()) continue;
    const std::string who = report.runs.size() > 1 ? run.name + ": " : "";
    html.element("p", who + found->second, {{"class", "missing"}});
  }
}

void draw_legend(Html& html, const Report& report) {
  if (report.runs.size() < 2) return;
  const auto legend = html.open("div", {{"class", "legend"}});
  for (std::size_t i = 0; i < report.runs.size(); ++i)
    html.element("span", report.runs[i].name, {{"class", "run " + colour(i)}});
}

}  // namespace tessera::report
