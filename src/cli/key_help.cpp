// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/key_help.hpp"

#include "cli/detail/job_reference.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <string_view>
#include <vector>

namespace tessera::cli {
namespace {

/// A row of a table of keys, and the paragraphs below that begin with its name.
struct KeyText {
  std::string key;
  std::string fallback;
  std::string meaning;
  std::string paragraphs;
};

/// Markdown as it is read on a terminal.
std::string plain(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`' || text.substr(i).starts_with("**")) {
      i += text[i] == '`' ? 0 : 1;
    } else if (text.substr(i).starts_with("](")) {  // [words](link)
      i = std::min(text.find(')', i), text.size() - 1);
    } else if (text[i] != '[' || text.find("](", i) == std::string_view::npos) {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> cells(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream in(row.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) {
    const std::size_t first = cell.find_first_not_of(' ');
    const std::size_t last = cell.find_last_not_of(' ');
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return cells;
}

/// A paragraph belongs to the key that it begins with: **`run.device`** or **`negatives.scope`**: ...
std::string key_of_paragraph(const std::string& line) {
  constexpr std::string_view kBegin = "**`";
  if (!line.starts_with(kBegin)) return "";
  return line.substr(kBegin.size(), line.find_first_of("` ", kBegin.size()) - kBegin.size());
}

std::vector<KeyText> read_reference() {
  std::vector<KeyText> keys;
  KeyText* paragraph = nullptr;
  std::istringstream lines{std::string(detail::job_reference())};
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> row = line.starts_with("| `") ? cells(line) : std::vector<std::string>();
    const auto is_new = [&] {
      return std::none_of(keys.begin(), keys.end(), [&](const KeyText& text) { return text.key == plain(row[0]); });
    };
    if (row.size() == 3 && row[0].find('.') != std::string::npos && row[0].find(' ') == std::string::npos && is_new())
      keys.push_back({plain(row[0]), plain(row[1]), plain(row[2]), ""});
    const std::string key = key_of_paragraph(line);
    const auto found = std::find_if(keys.begin(), keys.end(), [&](const KeyText& text) { return text.key == key; });
    if (found != keys.end())
      paragraph = &*found;
    else if (line.starts_with("#") || line.starts_with("**"))
      paragraph = nullptr;
    if (paragraph != nullptr && found == keys.end() && line.empty()) {
      paragraph->paragraphs += "\n";
    } else if (paragraph != nullptr && !line.starts_with("|--")) {
      paragraph->paragraphs += plain(line) + "\n";
    }
  }
  return keys;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string row_text(const KeyText& key) {
  return fmt::format("{} ({}{})\n    {}\n", key.key, key.fallback == "required" ? "" : "default ", key.fallback,
                     key.meaning);
}

}  // namespace

std::string explain_key(const std::string& word) {
  const std::vector<KeyText> keys = read_reference();
  std::string text;
  for (const KeyText& key : keys) {
    if (key.key == word) return row_text(key) + "\n" + key.paragraphs + "\nMore: docs/user/job_file.md\n";
    if (key.key.starts_with(word + ".")) text += row_text(key);
  }
  if (!text.empty()) return text;
  for (const KeyText& key : keys)
    if (lower(key.meaning + key.paragraphs).find(lower(word)) != std::string::npos) text += row_text(key);
  if (!text.empty()) return fmt::format("'{}' is no key; these keys speak of it:\n{}", word, text);
  std::vector<std::string> names;
  for (const KeyText& key : keys) names.push_back(key.key);
  const std::string near = text::nearest(word, names);
  fail(ExitStatus::kUsage, "'{}' is no key of a job file{}; 'tessera train --help' lists them", word,
       near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near));
}

}  // namespace tessera::cli
