// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/name_list.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <iostream>
#include <utility>

namespace tessera::predict {

LineReader::LineReader(std::filesystem::path file, const std::string& what)
    : file_(std::move(file)), in_(file_ == "-" ? std::cin : own_) {
  if (file_ == "-") return;
  if (!std::filesystem::exists(file_)) fail(ExitStatus::kMissingInput, "{} '{}' does not exist", what, file_.string());
  if (std::filesystem::is_directory(file_))
    fail(ExitStatus::kMissingInput, "{} '{}' is a folder", what, file_.string());
  own_.open(file_, std::ios::binary);
  if (!own_) fail(ExitStatus::kIo, "{} '{}' cannot be read", what, file_.string());
}

bool LineReader::next(std::string& line) {
  while (std::getline(in_, line)) {
    ++number_;
    if (number_ == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    if (!text::is_utf8(line)) fail(ExitStatus::kBadData, "{}: not UTF-8", where());
    return true;
  }
  if (in_.bad() || !in_.eof()) fail(ExitStatus::kIo, "reading '{}' failed after line {}", file_.string(), number_);
  return false;
}

std::string LineReader::where() const {
  return fmt::format("{}:{}", file_ == "-" ? "standard input" : file_.string(), number_);
}

bool is_comment(std::string_view line) { return line.starts_with('#') && line.find('\t') == std::string_view::npos; }

std::vector<std::string> split_at_tabs(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t start = 0;;) {
    const std::size_t tab = line.find('\t', start);
    words.emplace_back(line.substr(start, tab - start));
    if (tab == std::string_view::npos) return words;
    start = tab + 1;
  }
}

void read_names(const std::filesystem::path& file,
                const std::function<void(const std::string& name, const std::string& where)>& consume) {
  LineReader lines(file, "file of names");
  for (std::string line; lines.next(line);) consume(line, lines.where());
}

}  // namespace tessera::predict
