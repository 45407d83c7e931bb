// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/id_names.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "partition/import/format_guess.hpp"
#include "partition/import/line_reader.hpp"
#include "partition/import/line_splitter.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <unordered_map>
#include <utility>

namespace tessera::partition {
namespace {

using Fields = std::array<std::string, 2>;

std::optional<std::uint64_t> to_id(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

struct Lines {
  std::vector<Fields> fields;
  std::vector<std::uint64_t> numbers;
};

// The lines of two columns, without a line with their number.
Lines read_lines(const std::string& path) {
  Input input = Input::open(path);
  LineReader reader(input);
  const std::vector<std::string_view> sample = first_lines(reader.sample());
  const bool has_count = sample.size() > 1 && is_count(sample.front());
  const std::vector<std::string_view> cut(sample.begin() + (has_count ? 1 : 0), sample.end());
  RecordReader records(reader, guess_separator(cut, 2), 2);
  Lines lines;
  bool first = true;
  while (records.next()) {
    if (records.is_empty()) continue;
    const bool is_count_line = has_count && std::exchange(first, false);
    if (is_count_line) continue;
    if (!records.fault().empty()) fail(ExitStatus::kBadData, "{}:{}: {}", path, records.first_line(), records.fault());
    if (records.count() != 2)
      fail(ExitStatus::kBadData, "{}:{}: {} columns where an id and a name are needed", path, records.first_line(),
           records.count());
    lines.fields.push_back({std::string(records.fields()[0]), std::string(records.fields()[1])});
    lines.numbers.push_back(records.first_line());
  }
  return lines;
}

// Whether the column holds each of 0, 1, ... once, perhaps below a header, which is no number.
bool is_ids(const Lines& lines, std::size_t column, bool header) {
  if (header && !lines.fields.empty() && to_id(lines.fields.front().at(column))) return false;
  std::vector<bool> seen(lines.fields.size());
  for (std::size_t i = header ? 1 : 0; i < lines.fields.size(); ++i) {
    const auto id = to_id(lines.fields[i].at(column));
    if (!id || *id >= lines.fields.size() - (header ? 1 : 0) || seen[*id]) return false;
    seen[*id] = true;
  }
  return lines.fields.size() > (header ? 1U : 0U);
}

struct Layout {
  std::size_t id_column;
  bool header;
};

Layout find_layout(const Lines& lines, const std::string& path, bool ids_first) {
  for (const bool header : {false, true})
    for (const std::size_t column : {ids_first ? 0U : 1U, ids_first ? 1U : 0U})
      if (is_ids(lines, column, header)) return {column, header};
  fail(ExitStatus::kBadData, "{}: neither of its columns holds the ids 0, 1, ..., {}, each once", path,
       lines.fields.empty() ? 0 : lines.fields.size() - 1);
}

}  // namespace

IdNames::IdNames(const std::string& path, bool ids_first) : path_(path) {
  Lines lines = read_lines(path);
  const Layout layout = find_layout(lines, path, ids_first);
  names_.resize(lines.fields.size() - (layout.header ? 1 : 0));
  std::unordered_map<std::string_view, std::uint64_t> line_of;
  for (std::size_t i = layout.header ? 1 : 0; i < lines.fields.size(); ++i) {
    std::string& name = names_[*to_id(lines.fields[i].at(layout.id_column))];
    name = std::move(lines.fields[i].at(1 - layout.id_column));
    if (name.empty()) fail(ExitStatus::kBadData, "{}:{}: the name is empty", path, lines.numbers[i]);
    const auto [found, is_new] = line_of.emplace(name, lines.numbers[i]);
    if (!is_new)
      fail(ExitStatus::kBadData, "{}:{}: the name '{}' has another id in line {}; two ids cannot have one name", path,
           lines.numbers[i], name, found->second);
  }
  log::info("{}: names of {} ids, in the {} column", path, text::with_thousands(size()),
            layout.id_column == 0 ? "first" : "second");
}

const std::string* IdNames::find(std::string_view id) const {
  const auto number = to_id(id);
  return number && *number < names_.size() ? &names_[*number] : nullptr;
}

bool NamingSink::translate(const IdNames* names, std::string_view& name, std::uint64_t line) {
  if (names == nullptr) return true;
  const std::string* found = names->find(name);
  if (found == nullptr) {
    sink_.bad_line(line, fmt::format("'{}' is no id of '{}', which has 0 to {}", name, names->path(),
                                     names->size() == 0 ? 0 : names->size() - 1));
    return false;
  }
  name = *found;
  return true;
}

void NamingSink::triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t line) {
  if (translate(entities_, head, line) && translate(relations_, relation, line) && translate(entities_, tail, line))
    sink_.triple(head, relation, tail, line);
}

}  // namespace tessera::partition
