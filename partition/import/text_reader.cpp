// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/text_reader.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::partition {
namespace {

constexpr std::size_t kColumns = 3;

char separator_character(Separator separator) {
  switch (separator) {
    case Separator::kComma: return ',';
    case Separator::kSpace: return ' ';
    default: return '\t';
  }
}

std::string_view first_line(std::string_view sample) {
  while (!sample.empty()) {
    const std::size_t end = std::min(sample.find('\n'), sample.size());
    std::string_view line = sample.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) return line;
    sample.remove_prefix(std::min(end + 1, sample.size()));
  }
  return {};
}

}  // namespace

ColumnOrder ColumnOrder::parse(const std::string& columns) {
  std::string sorted = columns;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != "hrt")
    fail(ExitStatus::kUsage,
         "columns '{}': write the letters h, r and t (head, relation, tail) once each, such as hrt or htr", columns);
  return {columns.find('h'), columns.find('r'), columns.find('t')};
}

Separator guess_separator(std::string_view sample) {
  const std::string_view line = first_line(sample);
  constexpr std::array<Separator, 3> kInOrder = {Separator::kTab, Separator::kComma, Separator::kSpace};
  for (const Separator separator : kInOrder)
    if (LineSplitter(separator).split(line) == kColumns) return separator;
  for (const Separator separator : kInOrder)
    if (line.find(separator_character(separator)) != std::string_view::npos) return separator;
  return Separator::kTab;
}

const char* separator_name(Separator separator) {
  switch (separator) {
    case Separator::kComma: return "comma";
    case Separator::kSpace: return "space";
    case Separator::kTab: return "tab";
    default: return "auto";
  }
}

void LineSplitter::keep(std::size_t index, std::string_view field) {
  if (index < kColumns) fields_[index] = field;
}

std::size_t LineSplitter::split(std::string_view line) {
  fault_ = nullptr;
  if (separator_ == Separator::kSpace) return split_runs(line);
  if (separator_ == Separator::kComma && line.find('"') != std::string_view::npos) return split_quoted(line);
  return split_exact(line, separator_character(separator_));
}

std::size_t LineSplitter::split_exact(std::string_view line, char separator) {
  std::size_t count = 0;
  const char* at = line.data();
  const char* const end = at + line.size();
  for (;;) {
    const auto* next =
        at == end ? nullptr : static_cast<const char*>(std::memchr(at, separator, static_cast<std::size_t>(end - at)));
    const char* const stop = next == nullptr ? end : next;
    keep(count++, {at, static_cast<std::size_t>(stop - at)});
    if (next == nullptr) return count;
    at = next + 1;
  }
}

std::size_t LineSplitter::split_runs(std::string_view line) {
  std::size_t count = 0;
  for (std::size_t at = line.find_first_not_of(' '); at < line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    keep(count++, line.substr(at, end - at));
    at = line.find_first_not_of(' ', end);
  }
  return count;
}

// RFC 4180: a field may be in double quotes, inside which a double quote is written twice.
std::size_t LineSplitter::split_quoted(std::string_view line) {
  std::size_t count = 0;
  for (;; line.remove_prefix(1)) {
    const std::size_t end = std::min(line.find(','), line.size());
    if (!line.starts_with('"')) {
      const std::string_view field = line.substr(0, end);
      if (field.find('"') != std::string_view::npos) fault_ = "a double quote inside a field that is not quoted";
      keep(count++, field);
      line.remove_prefix(end);
    } else {
      std::string spare;
      std::string& value = count < kColumns ? unquoted_[count] : spare;
      value.clear();
      line.remove_prefix(1);
      for (;;) {
        const std::size_t quote = line.find('"');
        if (quote == std::string_view::npos) {
          fault_ = "a quoted field that does not end on its line (line breaks inside quotes are not read)";
          return count;
        }
        value.append(line.substr(0, quote));
        line.remove_prefix(quote + 1);
        if (!line.starts_with('"')) break;
        value.push_back('"');
        line.remove_prefix(1);
      }
      keep(count++, value);
      if (!line.empty() && line.front() != ',') fault_ = "text after the closing double quote of a field";
    }
    if (fault_ != nullptr || line.empty()) return count;
  }
}

namespace {

// Why a line cannot be used, or an empty string.
std::string complaint(const LineSplitter& splitter, std::size_t count, const TextFormat& format, Separator separator) {
  if (splitter.fault() != nullptr) return splitter.fault();
  if (count != kColumns)
    return fmt::format("expected 3 columns, found {} (separated by {})", count, separator_name(separator));
  static constexpr std::array<const char*, kColumns> kPlaces = {"first", "second", "third"};
  const std::size_t checked = format.attributes ? kColumns - 1 : kColumns;
  for (std::size_t i = 0; i < checked; ++i)
    if (splitter.fields()[i].empty()) return fmt::format("the {} column is empty", kPlaces[i]);
  return {};
}

}  // namespace

void read_text(LineReader& lines, const TextFormat& format, FactSink& sink) {
  const Separator separator = format.separator == Separator::kAuto ? guess_separator(lines.sample()) : format.separator;
  LineSplitter splitter(separator);
  bool header = format.header;
  for (Line line; lines.next(line);) {
    if (!line.fault.empty()) {
      sink.bad_line(line.number, line.fault);
      continue;
    }
    if (line.text.empty()) continue;
    if (header) {
      header = false;
      continue;
    }
    const std::size_t count = splitter.split(line.text);
    const auto& fields = splitter.fields();
    const bool sound = splitter.fault() == nullptr && count == kColumns && !fields[0].empty() && !fields[1].empty() &&
                       (format.attributes || !fields[2].empty());
    if (!sound)
      sink.bad_line(line.number, complaint(splitter, count, format, separator));
    else if (format.attributes)
      sink.attribute(fields[0], fields[1], fields[2], {}, line.number);
    else
      sink.triple(fields[format.columns.head], fields[format.columns.relation], fields[format.columns.tail],
                  line.number);
  }
}

}  // namespace tessera::partition
