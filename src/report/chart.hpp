// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "report/html.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace tessera::report {

/// The class of the elements of a run, which gives them its colour.
std::string colour(std::size_t run);

struct Point {
  double x = 0;
  double y = 0;
};
/// The points of a run, ascending by x.
struct Line {
  std::size_t run = 0;
  std::vector<Point> points;
};
/// Lines over a common x axis that begins at 0.
struct LineChart {
  std::string title;
  std::string x_label;
  std::vector<Line> lines;
};
void draw(Html& html, const LineChart& chart);

/// A value of a run within a row: a bar from 0, or a dot where there is an interval.
struct Mark {
  std::size_t run = 0;
  double value = 0;
  std::optional<double> low = std::nullopt;
  std::optional<double> high = std::nullopt;
  std::optional<double> target = std::nullopt;  ///< a line across the bar
  std::string text = {};                        ///< the value in words
};
struct ChartRow {
  std::string label;
  std::vector<Mark> marks;
};
/// Rows of marks over a common axis that begins at 0.
struct RowChart {
  std::string title;
  std::vector<ChartRow> rows;
};
void draw(Html& html, const RowChart& chart);

/// A dot with its interval on an axis from 0 to 1, as high as a line of text.
void draw_inline(Html& html, const Mark& mark);

/// Values for an axis from `low` to `high`: 1, 2 or 5 times a power of ten apart, about `count`.
std::vector<double> ticks(double low, double high, std::size_t count);

}  // namespace tessera::report
