// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "report/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tessera::report {
namespace {

// One unit is a pixel of a narrow window: charts grow with the window, and their text stays legible.
constexpr double kWidth = 360;
constexpr double kLineHeight = 200;
constexpr double kLeft = 44;
constexpr double kRight = 10;
constexpr double kTop = 8;
constexpr double kBottom = 32;

std::string number(double value) { return fmt::format("{:.6g}", value); }
std::string pixels(double value) { return fmt::format("{:.2f}", value); }

/// A linear map from values to pixels.
struct Scale {
  double low = 0;
  double high = 1;
  double from = 0;
  double to = 1;
  [[nodiscard]] double operator()(double value) const {
    return from + (value - low) / (high > low ? high - low : 1) * (to - from);
  }
};

std::string view_box(double width, double height) { return fmt::format("0 0 {:g} {:g}", width, height); }

void line(Html& html, Point from, Point to, const std::string& classes) {
  html.shape(
      "line",
      {{"x1", pixels(from.x)}, {"y1", pixels(from.y)}, {"x2", pixels(to.x)}, {"y2", pixels(to.y)}, {"class", classes}});
}

void label(Html& html, Point at, const std::string& anchor, const std::string& text) {
  html.element("text", text, {{"x", pixels(at.x)}, {"y", pixels(at.y)}, {"text-anchor", anchor}});
}

/// The bounding box of all points, x from 0.
struct Bounds {
  double x_high = 0;
  double y_low = std::numeric_limits<double>::infinity();
  double y_high = -std::numeric_limits<double>::infinity();
};

Bounds bounds_of(const std::vector<Line>& lines) {
  Bounds bounds;
  for (const Line& some : lines)
    for (const Point& point : some.points) {
      bounds.x_high = std::max(bounds.x_high, point.x);
      bounds.y_low = std::min(bounds.y_low, point.y);
      bounds.y_high = std::max(bounds.y_high, point.y);
    }
  if (bounds.y_low > bounds.y_high) return {1, 0, 1};
  const double margin = 0.05 * std::max(bounds.y_high - bounds.y_low, 1e-9 + 0.02 * std::abs(bounds.y_high));
  return {std::max(bounds.x_high, 1.0), bounds.y_low - margin, bounds.y_high + margin};
}

void draw_axes(Html& html, const LineChart& chart, const Scale& x, const Scale& y) {
  for (const double tick : ticks(y.low, y.high, 5)) {
    line(html, {kLeft, y(tick)}, {kWidth - kRight, y(tick)}, "grid");
    label(html, {kLeft - 6, y(tick) + 4}, "end", number(tick));
  }
  for (const double tick : ticks(x.low, x.high, 5))
    label(html, {x(tick), kLineHeight - kBottom + 14}, "middle", number(tick));
  label(html, {(kLeft + kWidth - kRight) / 2, kLineHeight - 4}, "middle", chart.x_label);
}

void draw_line(Html& html, const Line& some, const Scale& x, const Scale& y) {
  constexpr std::size_t kMostDots = 40;
  std::string path;
  for (const Point& point : some.points) path += fmt::format("{:.2f},{:.2f} ", x(point.x), y(point.y));
  if (!path.empty()) path.pop_back();
  html.shape("polyline", {{"points", path}, {"class", "curve " + colour(some.run)}});
  if (some.points.size() > kMostDots) return;
  for (const Point& point : some.points)
    html.shape(
        "circle",
        {{"cx", pixels(x(point.x))}, {"cy", pixels(y(point.y))}, {"r", "2.2"}, {"class", "dot " + colour(some.run)}});
}

double largest(const RowChart& chart) {
  double most = 0;
  for (const ChartRow& row : chart.rows)
    for (const Mark& mark : row.marks)
      most = std::max({most, mark.value, mark.high.value_or(0), mark.target.value_or(0)});
  return most > 0 ? most : 1;
}

constexpr double kMarkHeight = 13;
constexpr double kRowGap = 7;
constexpr double kLabelWidth = 92;
constexpr double kTextWidth = 62;

void draw_mark(Html& html, const Mark& mark, const Scale& x, double y) {
  const double middle = y + kMarkHeight / 2;
  if (mark.low && mark.high) {
    line(html, {x(*mark.low), middle}, {x(*mark.high), middle}, "interval " + colour(mark.run));
    html.shape(
        "circle",
        {{"cx", pixels(x(mark.value))}, {"cy", pixels(middle)}, {"r", "3.5"}, {"class", "dot " + colour(mark.run)}});
  } else {
    html.shape("rect", {{"x", pixels(x(0))},
                        {"y", pixels(y + 1.5)},
                        {"width", pixels(std::max(0.0, x(mark.value) - x(0)))},
                        {"height", pixels(kMarkHeight - 3)},
                        {"class", "bar " + colour(mark.run)}});
  }
  if (mark.target) line(html, {x(*mark.target), y}, {x(*mark.target), y + kMarkHeight}, "target");
  label(html, {kWidth - 2, middle + 4}, "end", mark.text);
}

}  // namespace

std::string colour(std::size_t run) { return fmt::format("c{}", run); }

std::vector<double> ticks(double low, double high, std::size_t count) {
  if (!(high > low)) return {low};
  const double rough = (high - low) / static_cast<double>(count);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double step = power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
  std::vector<double> out;
  const auto first = static_cast<std::int64_t>(std::ceil(low / step));
  const auto last = static_cast<std::int64_t>(std::floor(high / step + 1e-9));
  for (std::int64_t i = first; i <= last; ++i) out.push_back(static_cast<double>(i) * step);
  return out;
}

void draw(Html& html, const LineChart& chart) {
  const Bounds bounds = bounds_of(chart.lines);
  const Scale x{0, bounds.x_high, kLeft, kWidth - kRight};
  const Scale y{bounds.y_low, bounds.y_high, kLineHeight - kBottom, kTop};
  const auto figure = html.open("figure");
  html.element("figcaption", chart.title);
  const auto svg =
      html.open("svg", {{"viewBox", view_box(kWidth, kLineHeight)}, {"role", "img"}, {"aria-label", chart.title}});
  draw_axes(html, chart, x, y);
  for (const Line& some : chart.lines) draw_line(html, some, x, y);
}

void draw(Html& html, const RowChart& chart) {
  const Scale x{0, largest(chart), kLabelWidth, kWidth - kTextWidth};
  double height = 0;
  for (const ChartRow& row : chart.rows) height += kMarkHeight * static_cast<double>(row.marks.size()) + kRowGap;
  const auto figure = html.open("figure");
  html.element("figcaption", chart.title);
  const auto svg =
      html.open("svg", {{"viewBox", view_box(kWidth, height)}, {"role", "img"}, {"aria-label", chart.title}});
  line(html, {kLabelWidth, 0}, {kLabelWidth, height}, "grid");
  double y = kRowGap / 2;
  for (const ChartRow& row : chart.rows) {
    const double marks = kMarkHeight * static_cast<double>(row.marks.size());
    label(html, {kLabelWidth - 6, y + marks / 2 + 4}, "end", row.label);
    for (const Mark& mark : row.marks) {
      draw_mark(html, mark, x, y);
      y += kMarkHeight;
    }
    y += kRowGap;
  }
}

void draw_inline(Html& html, const Mark& mark) {
  constexpr double kInlineWidth = 100;
  constexpr double kInlineHeight = 12;
  const Scale x{0, 1, 4, kInlineWidth - 4};
  const auto svg = html.open(
      "svg", {{"viewBox", view_box(kInlineWidth, kInlineHeight)}, {"class", "inline"}, {"aria-hidden", "true"}});
  line(html, {x(0), kInlineHeight / 2}, {x(1), kInlineHeight / 2}, "grid");
  line(html, {x(mark.low.value_or(mark.value)), kInlineHeight / 2},
       {x(mark.high.value_or(mark.value)), kInlineHeight / 2}, "interval " + colour(mark.run));
  html.shape("circle", {{"cx", pixels(x(mark.value))},
                        {"cy", pixels(kInlineHeight / 2)},
                        {"r", "3.5"},
                        {"class", "dot " + colour(mark.run)}});
}

}  // namespace tessera::report
