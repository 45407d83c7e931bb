// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/line_splitter.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::partition {
namespace {

constexpr const char* kOpen = "a quoted field that begins here does not end";

char separator_character(Separator separator) {
  switch (separator) {
    case Separator::kComma: return ',';
    case Separator::kSemicolon: return ';';
    case Separator::kSpace: return ' ';
    default: return '\t';
  }
}

bool has_quotes(Separator separator) { return separator == Separator::kComma || separator == Separator::kSemicolon; }

}  // namespace

const char* separator_name(Separator separator) {
  switch (separator) {
    case Separator::kComma: return "comma";
    case Separator::kSemicolon: return "semicolon";
    case Separator::kSpace: return "space";
    case Separator::kTab: return "tab";
    default: return "auto";
  }
}

LineSplitter::LineSplitter(Separator separator, std::size_t kept)
    : separator_(separator), fields_(kept), unquoted_(kept) {}

std::size_t LineSplitter::split(std::string_view line) {
  fault_ = nullptr;
  is_open_ = false;
  if (separator_ == Separator::kSpace) return split_runs(line);
  const char separator = separator_character(separator_);
  if (has_quotes(separator_) && line.find('"') != std::string_view::npos) return split_quoted(line, separator);
  return split_exact(line, separator);
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
std::size_t LineSplitter::split_quoted(std::string_view line, char separator) {
  std::string spare;
  for (std::size_t count = 0;; line.remove_prefix(1)) {
    const std::size_t end = std::min(line.find(separator), line.size());
    if (!line.starts_with('"')) {
      const std::string_view field = line.substr(0, end);
      if (field.find('"') != std::string_view::npos) fault_ = "a double quote inside a field that is not quoted";
      keep(count++, field);
      line.remove_prefix(end);
    } else {
      std::string& value = count < unquoted_.size() ? unquoted_[count] : spare;
      if (!take_quoted(line, value)) return count;
      keep(count++, value);
      if (!line.empty() && line.front() != separator) fault_ = "text after the closing double quote of a field";
    }
    if (fault_ != nullptr || line.empty()) return count;
  }
}

// Takes a field with its quotes off the front of `line`.
bool LineSplitter::take_quoted(std::string_view& line, std::string& value) {
  value.clear();
  line.remove_prefix(1);
  for (;;) {
    const std::size_t quote = line.find('"');
    if (quote == std::string_view::npos) {
      fault_ = kOpen;
      is_open_ = true;
      return false;
    }
    value.append(line.substr(0, quote));
    line.remove_prefix(quote + 1);
    if (!line.starts_with('"')) return true;
    value.push_back('"');
    line.remove_prefix(1);
  }
}

bool RecordReader::next() {
  if (!lines_->next(line_)) return false;
  first_line_ = line_.number;
  is_empty_ = line_.text.empty() && line_.fault.empty();
  if (!fault_.empty() || !line_.fault.empty()) fault_ = line_.fault;
  if (is_empty_ || !fault_.empty()) return true;
  count_ = splitter_.split(line_.text);
  if (splitter_.is_open()) join();
  if (fault_.empty() && splitter_.fault() != nullptr) fault_ = splitter_.fault();
  return true;
}

// A record is whole when its quotes are even. The record is cut once, so an open quote costs no more than the longest
// line.
void RecordReader::join() {
  const auto quotes = [](std::string_view text) { return std::count(text.begin(), text.end(), '"'); };
  joined_.assign(line_.text);
  auto open = quotes(joined_);
  bool had_return = line_.had_return;
  while (open % 2 != 0) {
    if (joined_.size() > lines_->longest_line() || !lines_->next(line_)) {
      fault_ = kOpen;
      return;
    }
    joined_.append(had_return ? "\r\n" : "\n").append(line_.text);
    open += quotes(line_.text);
    had_return = line_.had_return;
    if (!line_.fault.empty()) fault_ = line_.fault;
  }
  count_ = splitter_.split(joined_);
}

}  // namespace tessera::partition
