// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/column_choice.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "partition/import/format_guess.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

namespace tessera::partition {
namespace {

using Content = TextFormat::Content;

std::string without_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

class Chooser {
 public:
  Chooser(const ImportOptions& options, Content content, const std::string& name, std::string_view sample)
      : options_(options), name_(name), lines_(first_lines(sample)) {
    choice_.format.content = content;
    choice_.format.trim = options.trim;
    is_table_ = content == Content::kNodes || (content == Content::kTriples && options.triple_columns.given());
  }

  ColumnChoice run() {
    take_count_line();
    choose_separator();
    split_first_line();
    choose_header();
    if (choice_.format.content == Content::kNodes)
      choose_node_columns();
    else if (choice_.format.content == Content::kTriples)
      choose_triple_columns();
    describe();
    return std::move(choice_);
  }

 private:
  [[nodiscard]] bool is_triples() const { return choice_.format.content == Content::kTriples; }

  /// Of each line; 0: as many as the first one has.
  [[nodiscard]] std::size_t wanted_columns() const {
    if (is_table_) return 0;
    return is_triples() && !options_.triple_columns.relation_name.empty() ? 2 : 3;
  }

  // As OpenKE writes it: a line with the number of triples.
  void take_count_line() {
    if (lines_.size() < 2 || !is_count(lines_.front()) || is_count(lines_[1]) || options_.header == Header::kNo) return;
    std::uint64_t count = 0;
    const std::string line = without_blanks(lines_.front());
    if (std::from_chars(line.data(), line.data() + line.size(), count).ec != std::errc()) return;
    choice_.stated_count = count;
  }

  void choose_separator() {
    Separator& separator = choice_.format.separator;
    separator = options_.separator;
    if (separator != Separator::kAuto) return;
    std::vector<std::string_view> lines = lines_;
    const bool is_known_header = options_.header == Header::kYes && !is_table_;
    if (lines.size() > 1 && (is_known_header || choice_.stated_count)) lines.erase(lines.begin());
    separator = guess_separator(lines, wanted_columns());
    choice_.hint = fmt::format("; {} is a guess, --separator says what separates columns", separator_name(separator));
  }

  void split_first_line() {
    if (lines_.empty()) return;
    constexpr std::size_t kMostColumns = 4096;
    LineSplitter splitter(choice_.format.separator, kMostColumns);
    std::size_t next = choice_.stated_count ? 1 : 0;
    std::string record(lines_[next]);
    std::size_t count = splitter.split(record);
    while (splitter.is_open() && ++next < lines_.size())
      count = splitter.split(record.append("\n").append(lines_[next]));
    count = std::min(count, kMostColumns);
    for (std::size_t i = 0; i < count; ++i) first_.push_back(without_blanks(splitter.fields()[i]));
  }

  void choose_header() {
    bool& header = choice_.format.header;
    if (choice_.stated_count) header = true;
    if (header || options_.header != Header::kAuto) {
      header = header || options_.header == Header::kYes;
      return;
    }
    header = is_table_ && has_named_column() ? true : names_all();
    if (header) choice_.hint += "; the first line is taken for a header, --no-header reads it too";
    choice_.may_have_header = !header && is_triples();
  }

  // Columns are asked for by name, so they have names.
  [[nodiscard]] bool has_named_column() const {
    const TripleColumns& triples = options_.triple_columns;
    const NodeColumns& nodes = options_.node_columns;
    std::vector<std::string> words = nodes.attributes;
    if (is_triples())
      words = {triples.head, triples.relation, triples.tail, triples.weight};
    else
      words.insert(words.end(), {nodes.id, nodes.type, nodes.label});
    return std::any_of(words.begin(), words.end(), [](const auto& word) { return !word.empty() && !is_number(word); });
  }

  [[nodiscard]] bool names_all() const {
    if (choice_.format.content == Content::kAttributes) return names_attributes(first_);
    if (choice_.format.content == Content::kNodes) return std::any_of(first_.begin(), first_.end(), names_an_id);
    const NamedColumns named = named_columns(first_);
    const bool needs_relation = options_.triple_columns.relation_name.empty();
    return named.head != kNoColumn && named.tail != kNoColumn && (!needs_relation || named.relation != kNoColumn);
  }

  /// The place of a column that was asked for by `option`.
  [[nodiscard]] std::size_t find(const std::string& column, const char* option) const {
    if (is_number(column)) {
      std::size_t number = 0;
      std::from_chars(column.data(), column.data() + column.size(), number);
      if (number >= 1 && number <= first_.size()) return number - 1;
      fail(ExitStatus::kUsage, "{} {}: {} has {} columns (separated by {})", option, column, name_, first_.size(),
           separator_name(choice_.format.separator));
    }
    if (!choice_.format.header)
      fail(ExitStatus::kUsage, "{} '{}': without a header columns have numbers, from 1", option, column);
    const auto found = std::find(first_.begin(), first_.end(), column);
    if (found == first_.end()) fail_unknown(column, option);
    if (std::find(found + 1, first_.end(), column) != first_.end())
      fail(ExitStatus::kUsage, "{} '{}': {} has two columns of this name; give a number", option, column, name_);
    return static_cast<std::size_t>(found - first_.begin());
  }

  [[noreturn]] void fail_unknown(const std::string& column, const char* option) const {
    const std::string guess = text::nearest(column, first_);
    fail(ExitStatus::kUsage, "{} '{}': {} has no such column{}; its columns, separated by {}, are: {}", option, column,
         name_, guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess),
         separator_name(choice_.format.separator), fmt::join(first_, ", "));
  }

  void choose_triple_columns() {
    TextFormat& format = choice_.format;
    format.extras = options_.triple_columns;
    format.count = is_table_ ? first_.size() : wanted_columns();
    const bool has_relation = format.extras.relation_name.empty();
    if (is_table_) {
      format.columns = {find(format.extras.head, "--head"),
                        has_relation ? find(format.extras.relation, "--relation") : kNoColumn,
                        find(format.extras.tail, "--tail")};
      if (!format.extras.weight.empty()) format.weight = find(format.extras.weight, "--weight");
    } else if (!has_relation) {
      format.columns = {0, kNoColumn, 1};
    } else if (!options_.columns.empty()) {
      format.columns = ColumnOrder::parse(options_.columns);
    } else {
      guess_order();
    }
    if (is_table_ || first_.size() == format.count) return;
    if (choice_.may_have_header && differs_from_second_line()) choice_.hint += "; --header leaves out the first line";
    choice_.hint += "; --head, --relation and --tail choose columns of a table";
  }

  [[nodiscard]] bool differs_from_second_line() const {
    return lines_.size() > 1 && LineSplitter(choice_.format.separator, 0).split(lines_[1]) != first_.size();
  }

  // Three columns in the order that a header or OpenKE's count says.
  void guess_order() {
    TextFormat& format = choice_.format;
    const NamedColumns named = named_columns(first_);
    const bool all = named.head != kNoColumn && named.relation != kNoColumn && named.tail != kNoColumn;
    if (choice_.stated_count)
      format.columns = {0, 2, 1};
    else if (format.header && all && first_.size() == 3)
      format.columns = {named.head, named.relation, named.tail};
    if (format.columns.relation == 1 && format.columns.head == 0) return;
    choice_.hint += "; the order of the columns is a guess, --columns says another";
  }

  void choose_node_columns() {
    TextFormat& format = choice_.format;
    const NodeColumns& nodes = options_.node_columns;
    format.count = first_.size();
    format.id = find(nodes.id, "--id");
    format.id_prefix = nodes.id_prefix;
    const bool all = nodes.type.empty() && nodes.label.empty() && nodes.attributes.empty();
    if (!nodes.type.empty()) format.values.push_back({find(nodes.type, "--type"), "type"});
    if (!nodes.label.empty()) format.values.push_back({find(nodes.label, "--label"), "label"});
    if ((all || !nodes.attributes.empty()) && !format.header)
      fail(ExitStatus::kUsage, "{}: attributes are called after the header, and this table has none; {}", name_,
           "--type and --label take numbers, --header says that the first line is a header");
    for (const std::string& name : nodes.attributes) {
      const std::size_t column = find(name, "--attribute-columns");
      format.values.push_back({column, first_[column]});
    }
    for (std::size_t column = 0; all && column < first_.size(); ++column)
      if (column != format.id && !first_[column].empty()) format.values.push_back({column, first_[column]});
  }

  void describe() {
    const TextFormat& format = choice_.format;
    std::string& text = choice_.description;
    text = fmt::format("columns separated by {}", separator_name(format.separator));
    if (is_table_) text = fmt::format("{} {}", first_.size(), text);
    if (choice_.stated_count)
      text += fmt::format(", after a line with their number, as OpenKE writes them");
    else if (format.header)
      text += ", after a header";
    const auto place = [&](std::size_t column) {
      return format.header && !choice_.stated_count && column < first_.size() ? fmt::format("'{}'", first_[column])
                                                                              : fmt::format("{}", column + 1);
    };
    if (format.content == Content::kNodes) {
      text += fmt::format("; id {}", place(format.id));
      for (const NodeValue& value : format.values) text += fmt::format(", {} {}", value.attribute, place(value.column));
    } else if (is_triples()) {
      const std::string relation = format.columns.relation == kNoColumn
                                       ? fmt::format("always '{}'", format.extras.relation_name)
                                       : place(format.columns.relation);
      text += fmt::format("; head {}, relation {}, tail {}", place(format.columns.head), relation,
                          place(format.columns.tail));
      if (format.weight != kNoColumn) text += fmt::format(", weight {}", place(format.weight));
    }
  }

  const ImportOptions& options_;
  const std::string& name_;
  std::vector<std::string_view> lines_;
  std::vector<std::string> first_;  // the fields of the first line
  bool is_table_;
  ColumnChoice choice_;
};

}  // namespace

ColumnChoice choose_columns(const ImportOptions& options, Content content, const std::string& name,
                            std::string_view sample) {
  return Chooser(options, content, name, sample).run();
}

void check_columns(const ImportOptions& options) {
  const TripleColumns& triples = options.triple_columns;
  const NodeColumns& nodes = options.node_columns;
  if (!options.columns.empty()) (void)ColumnOrder::parse(options.columns);
  if (!options.columns.empty() && (triples.given() || !triples.relation_name.empty()))
    fail(ExitStatus::kUsage,
         "--columns is about tables of three columns; it does not go with --head, --relation, "
         "--tail or --relation-name");
  if (!triples.relation.empty() && !triples.relation_name.empty())
    fail(ExitStatus::kUsage, "give either --relation or --relation-name");
  if (triples.given() &&
      (triples.head.empty() || triples.tail.empty() || (triples.relation.empty() && triples.relation_name.empty())))
    fail(ExitStatus::kUsage, "--head, --relation (or --relation-name) and --tail go together");
  if (!triples.weight.empty() && !triples.given())
    fail(ExitStatus::kUsage, "--weight is a column of a table: it needs --head and --tail");
  if (!options.entities.empty() && nodes.id.empty())
    fail(ExitStatus::kUsage, "--entities needs --id: the column with the names that the triples have");
  const bool has_columns =
      !nodes.id.empty() || !nodes.type.empty() || !nodes.label.empty() || !nodes.attributes.empty();
  if (options.entities.empty() && (has_columns || !nodes.id_prefix.empty()))
    fail(ExitStatus::kUsage, "--id, --type, --label, --attribute-columns and --id-prefix are about --entities FILE");
}

}  // namespace tessera::partition
