// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tables/detail/lines.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>

namespace tessera::tables::detail {
namespace {

/// In reading order; numbers with the digits that a float has.
using Json =
    nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, std::int64_t, std::uint64_t, double>;

/// A number with the fewest digits that give it back.
std::string in_words(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* whole = std::get_if<std::uint64_t>(&cell)) return fmt::format("{}", *whole);
  if (const auto* number = std::get_if<float>(&cell)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{}", *number);
  return {};
}

std::string for_terminal(const Cell& cell) {
  if (const auto* number = std::get_if<float>(&cell)) return fmt::format("{:.4f}", *number);
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{:.4g}", *number);
  return in_words(cell);
}

std::string for_csv(const std::string& text) {
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string separated(const std::vector<std::string>& words, Format format) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += format == Format::kCsv ? ',' : '\t';
    out += format == Format::kCsv ? for_csv(words[i]) : text::tsv_field(words[i]);
  }
  return out + (format == Format::kCsv ? "\r\n" : "\n");
}

Json to_json(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* whole = std::get_if<std::uint64_t>(&cell)) return *whole;
  if (const auto* number = std::get_if<float>(&cell)) return Json::parse(fmt::format("{}", *number), nullptr, false);
  if (const auto* number = std::get_if<double>(&cell)) return *number;
  return {};
}

std::vector<std::string> names_of(const Layout& layout) {
  std::vector<std::string> names;
  for (const Column& column : layout.columns) names.push_back(column.name);
  return names;
}

}  // namespace

std::string header(const Layout& layout) {
  if (layout.format == Format::kText || layout.format == Format::kJsonl) return {};
  return separated(names_of(layout), layout.format);
}

std::string line(const Layout& layout, const Row& row) {
  if (layout.format == Format::kJsonl) {
    Json object;
    for (std::size_t i = 0; i < row.size(); ++i) object[layout.columns[i].name] = to_json(row[i]);
    return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  std::vector<std::string> words;
  for (const Cell& cell : row) words.push_back(in_words(cell));
  return separated(words, layout.format);
}

std::string side_by_side(const Layout& layout, const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> lines = {names_of(layout)};
  for (const Row& row : rows) {
    std::vector<std::string>& words = lines.emplace_back();
    for (const Cell& cell : row) words.push_back(for_terminal(cell));
  }
  std::vector<std::size_t> widths(layout.columns.size());
  for (const auto& words : lines)
    for (std::size_t i = 0; i < words.size(); ++i) widths[i] = std::max(widths[i], text::width(words[i]));
  std::string out;
  for (const auto& words : lines) {
    std::string whole;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string space(widths[i] - text::width(words[i]), ' ');
      const bool is_number = layout.columns[i].type != Type::kText;
      whole += (i > 0 ? "  " : "") + (is_number ? space + words[i] : words[i] + space);
    }
    out += whole.substr(0, whole.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace tessera::tables::detail
