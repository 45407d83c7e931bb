// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "foreign/name_table.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "partition/import/input.hpp"
#include "partition/import/line_reader.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace tessera::foreign {
namespace {

constexpr std::uint64_t kNoRow = ~std::uint64_t{0};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// How the lines of a file are read.
enum class Form { kName, kIdName, kNameId };

struct Fields {
  std::string_view first;
  std::optional<std::string_view> second;
};

Fields split(std::string_view line) {
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return {line, std::nullopt};
  return {line.substr(0, tab), line.substr(tab + 1)};
}

/// The form and the number of lines before the first name, from the first lines of a file.
struct Guess {
  Form form = Form::kName;
  std::uint64_t skipped = 0;
  bool has_title = false;
};

Guess guess_form(std::string_view sample) {
  std::vector<Fields> lines;
  for (std::size_t at = 0; at < sample.size() && lines.size() < 4;) {
    const std::size_t end = std::min(sample.find('\n', at), sample.size());
    std::string_view line = sample.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (at == 0 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    lines.push_back(split(line));
    at = end + 1;
  }
  Guess guess;
  if (lines.size() > 1 && !lines[0].second && number(lines[0].first) && lines[1].second) guess.skipped = 1;  // a count
  const auto form_of = [](const Fields& line) {
    if (!line.second) return Form::kName;
    if (number(line.first)) return Form::kIdName;
    return number(*line.second) ? Form::kNameId : Form::kName;
  };
  if (guess.skipped < lines.size()) guess.form = form_of(lines[guess.skipped]);
  const bool is_title = guess.form == Form::kName && guess.skipped == 0 && lines.size() > 1 && lines[0].second &&
                        form_of(lines[1]) != Form::kName;
  if (is_title) guess = {form_of(lines[1]), 1, true};
  return guess;
}

const char* in_words(Form form) {
  switch (form) {
    case Form::kIdName: return "an id and a name per line";
    case Form::kNameId: return "a name and an id per line";
    case Form::kName: break;
  }
  return "a name per line";
}

class Reader {
 public:
  Reader(const std::string& file, const storage::StringBlocks& names, const char* what, std::uint64_t rows)
      : input_(partition::Input::open(file)), lines_(input_), names_(names), what_(what), taken_(rows) {
    table_.row_of.assign(names.size(), kNoRow);
  }

  NameTable read() {
    const Guess guess = guess_form(lines_.sample());
    table_.form = in_words(guess.form);
    table_.has_title = guess.has_title;
    for (partition::Line line; lines_.next(line);) {
      if (!line.fault.empty()) refuse(line.number, line.fault);
      if (line.number <= guess.skipped || line.text.empty()) continue;
      const Fields fields = split(line.text);
      std::string_view name = line.text;
      std::uint64_t row = table_.rows;
      if (guess.form != Form::kName) {
        const bool id_first = guess.form == Form::kIdName;
        const auto id = number(id_first ? fields.first : fields.second.value_or(""));
        if (!id || !fields.second) refuse(line.number, fmt::format("not {}", in_words(guess.form)));
        row = *id;
        name = id_first ? *fields.second : fields.first;
      }
      if (row >= taken_.size())
        refuse(line.number, fmt::format("a name of row {}, and there are {} rows (from 0)", row, taken_.size()));
      if (taken_[row]) refuse(line.number, fmt::format("row {} has two names", row));
      taken_[row] = true;
      ++table_.rows;
      highest_ = std::max(highest_, row);
      take(name, row, line.number);
    }
    if (table_.rows == 0) fail(ExitStatus::kBadData, "'{}' has no names", input_.name());
    if (highest_ + 1 != table_.rows)
      fail(ExitStatus::kBadData, "'{}' has {} names, and ids up to {}: some rows have no name", input_.name(),
           table_.rows, highest_);
    require_all();
    return std::move(table_);
  }

 private:
  void take(std::string_view name, std::uint64_t row, std::uint64_t line) {
    const auto id = names_.find(name);
    if (!id) {
      ++table_.left_out;
      return;
    }
    if (table_.row_of[*id] != kNoRow) refuse(line, fmt::format("{} '{}' occurs twice", what_, name));
    table_.row_of[*id] = row;
  }
  void require_all() const {
    const auto missing = static_cast<std::uint64_t>(std::count(table_.row_of.begin(), table_.row_of.end(), kNoRow));
    if (missing == 0) return;
    const auto first = std::find(table_.row_of.begin(), table_.row_of.end(), kNoRow) - table_.row_of.begin();
    fail(ExitStatus::kBadData, "'{}' lacks {} of the {} {} names of the graph, for example '{}'", input_.name(),
         text::with_thousands(missing), text::with_thousands(table_.row_of.size()), what_,
         names_.get(static_cast<std::uint64_t>(first)));
  }
  [[noreturn]] void refuse(std::uint64_t line, const std::string& why) const {
    fail(ExitStatus::kBadData, "{}:{}: {}", input_.name(), line, why);
  }

  partition::Input input_;
  partition::LineReader lines_;
  const storage::StringBlocks& names_;
  const char* what_;
  std::vector<bool> taken_;  // by row
  NameTable table_;
  std::uint64_t highest_ = 0;
};

}  // namespace

NameTable read_names(const std::string& file, const storage::StringBlocks& graph_names, const char* what,
                     std::uint64_t rows) {
  return Reader(file, graph_names, what, rows).read();
}

}  // namespace tessera::foreign
