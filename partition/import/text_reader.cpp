// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/text_reader.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

namespace tessera::partition {
namespace {

using Content = TextFormat::Content;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The columns that must not be empty.
std::vector<std::size_t> name_columns(const TextFormat& format) {
  switch (format.content) {
    case Content::kNodes: return {format.id};
    case Content::kAttributes: return {0, 1};
    default: break;
  }
  std::vector<std::size_t> columns = {format.columns.head, format.columns.tail};
  if (format.columns.relation != kNoColumn) columns.push_back(format.columns.relation);
  std::sort(columns.begin(), columns.end());
  return columns;
}

std::size_t last_column(const TextFormat& format) {
  std::size_t last = name_columns(format).back();
  if (format.content == Content::kAttributes) last = 2;
  if (format.weight != kNoColumn) last = std::max(last, format.weight);
  for (const NodeValue& value : format.values) last = std::max(last, value.column);
  return last;
}

// None where the text is no weight.
std::optional<float> parse_weight(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0)) return std::nullopt;
  const auto weight = static_cast<float>(value);
  if (!std::isfinite(weight)) return std::nullopt;
  return std::fabs(weight);  // -0 is 0
}

class TextReader {
 public:
  TextReader(LineReader& lines, const TextFormat& format, FactSink& sink)
      : format_(format),
        sink_(sink),
        names_(name_columns(format)),
        records_(lines, format.separator, last_column(format) + 1),
        is_plain_(!format.trim && format.extras.relation_name.empty() && format.extras.head_prefix.empty() &&
                  format.extras.tail_prefix.empty() && format.weight == kNoColumn) {}

  void run() {
    bool header = format_.header;
    while (records_.next()) {
      if (records_.is_empty()) continue;
      if (header)
        header = false;
      else if (is_sound())
        give();
      else
        refuse();
    }
  }

 private:
  [[nodiscard]] std::string_view field(std::size_t column) const {
    const std::string_view text = records_.fields()[column];
    return format_.trim ? trimmed(text) : text;
  }

  // Other inputs say names in lines with tabs between.
  [[nodiscard]] bool is_name(std::string_view name) const {
    return !name.empty() && (format_.separator == Separator::kTab || name.find_first_of("\t\n") == name.npos);
  }

  [[nodiscard]] bool is_sound() const {
    if (!records_.fault().empty() || records_.count() != format_.count) return false;
    return std::all_of(names_.begin(), names_.end(), [&](std::size_t column) { return is_name(field(column)); }) &&
           (format_.weight == kNoColumn || parse_weight(field(format_.weight)));
  }

  // Why a record cannot be used.
  [[nodiscard]] std::string complaint() const {
    if (!records_.fault().empty()) return records_.fault();
    if (records_.count() != format_.count)
      return fmt::format("expected {} columns, found {} (separated by {})", format_.count, records_.count(),
                         separator_name(format_.separator));
    static constexpr std::array<const char*, 3> kPlaces = {"first", "second", "third"};
    for (const std::size_t column : names_) {
      const std::string_view name = field(column);
      if (is_name(name)) continue;
      const std::string place = column < kPlaces.size() ? kPlaces.at(column) : fmt::format("{}th", column + 1);
      return fmt::format("the {} column {}", place,
                         name.empty() ? "is empty" : "has a tab or a line break, which no name may have");
    }
    return fmt::format("the weight '{}' is not a finite number, 0 or above", field(format_.weight));
  }

  void refuse() {
    const std::string reason = complaint();
    const std::uint64_t first = records_.first_line();
    const std::uint64_t last = records_.last_line();
    if (first == last) return sink_.bad_line(first, reason);
    sink_.bad_line(first, fmt::format("{} (lines {} to {})", reason, first, last));
    for (std::uint64_t line = first + 1; line <= last; ++line)
      sink_.bad_line(line, fmt::format("it belongs to the record of line {}", first));
  }

  void give() {
    const std::uint64_t line = records_.first_line();
    const auto fields = records_.fields();
    if (format_.content == Content::kAttributes) return sink_.attribute(field(0), field(1), field(2), {}, line);
    if (format_.content == Content::kNodes) return give_node(line);
    const ColumnOrder& columns = format_.columns;
    if (is_plain_)
      sink_.triple(fields[columns.head], fields[columns.relation], fields[columns.tail], line);
    else
      give_triple(line);
  }

  static std::string_view prefixed(const std::string& prefix, std::string_view name, std::string& memory) {
    if (prefix.empty()) return name;
    memory.assign(prefix).append(name);
    return memory;
  }

  void give_triple(std::uint64_t line) {
    const TripleColumns& extras = format_.extras;
    const ColumnOrder& columns = format_.columns;
    const std::string_view relation =
        columns.relation == kNoColumn ? std::string_view(extras.relation_name) : field(columns.relation);
    if (format_.weight != kNoColumn) sink_.weight(*parse_weight(field(format_.weight)));
    sink_.triple(prefixed(extras.head_prefix, field(columns.head), head_), relation,
                 prefixed(extras.tail_prefix, field(columns.tail), tail_), line);
  }

  void give_node(std::uint64_t line) {
    const std::string_view id = prefixed(format_.id_prefix, field(format_.id), head_);
    sink_.entity(id, line);
    for (const NodeValue& value : format_.values)
      if (const std::string_view text = field(value.column); !text.empty())
        sink_.attribute(id, value.attribute, text, {}, line);
  }

  const TextFormat& format_;
  FactSink& sink_;
  std::vector<std::size_t> names_;
  RecordReader records_;
  bool is_plain_;
  std::string head_;
  std::string tail_;
};

}  // namespace

ColumnOrder ColumnOrder::parse(const std::string& columns) {
  std::string sorted = columns;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != "hrt")
    fail(ExitStatus::kUsage,
         "columns '{}': write the letters h, r and t (head, relation, tail) once each, such as hrt or htr", columns);
  return {columns.find('h'), columns.find('r'), columns.find('t')};
}

void read_text(LineReader& lines, const TextFormat& format, FactSink& sink) { TextReader(lines, format, sink).run(); }

}  // namespace tessera::partition
