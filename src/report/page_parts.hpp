// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "report/chart.hpp"
#include "report/html.hpp"
#include "report/report.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::report {

/// A cell of a table: what it shows, and the value with all digits, which a pointer shows.
struct Cell {
  std::string text;
  std::string exact = {};
  bool is_text = false;
  std::optional<Mark> mark = std::nullopt;  ///< drawn beside the text
};
Cell fixed(double value, int decimals = 4);
Cell signed_fixed(double value);
Cell whole(std::uint64_t value);
Cell words(const std::string& text);
Cell bytes(std::uint64_t value);
/// Low and high.
Cell interval(const evaluate::Interval& value);
Cell nothing();

struct TableColumn {
  std::string title;
  std::optional<std::size_t> run = std::nullopt;  ///< whose colour it has
  bool is_text = false;
};
/// The first cell of a row is its heading.
struct Table {
  std::string id;
  std::vector<TableColumn> columns;
  std::vector<std::vector<Cell>> rows;
};
void draw(Html& html, const Table& table);
/// Behind a line that opens it.
void draw_folded(Html& html, const std::string& summary, const Table& table);

/// A first column, then one for each run that `has` it.
template <class Has>
std::vector<TableColumn> run_columns(const Report& report, const std::string& first, const Has& has) {
  std::vector<TableColumn> columns = {{first, std::nullopt, true}};
  for (std::size_t i = 0; i < report.runs.size(); ++i)
    if (has(report.runs[i])) columns.push_back({report.runs[i].name, i, false});
  return columns;
}

/// What the section lacks, a sentence for each run.
void draw_missing(Html& html, const Report& report, Section section);
/// The colours of the runs, where there are several.
void draw_legend(Html& html, const Report& report);

/// The sections of a page, in its order.
void draw_cards(Html& html, const Report& report);
void draw_differences(Html& html, const Report& report);
void draw_learning(Html& html, const Report& report);
void draw_ranks(Html& html, const Report& report);
void draw_groups(Html& html, const Report& report);
void draw_memory(Html& html, const Report& report);
void draw_times(Html& html, const Report& report);
void draw_partition(Html& html, const Report& report);
void draw_settings(Html& html, const Report& report);
void draw_environment(Html& html, const Report& report);

}  // namespace tessera::report
