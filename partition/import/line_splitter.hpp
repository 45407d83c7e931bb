// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/line_reader.hpp"
#include "partition/import/options.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::partition {

const char* separator_name(Separator separator);

/// Cuts a line into its columns.
class LineSplitter {
 public:
  /// The first `kept` columns of a line are kept; the others are counted.
  explicit LineSplitter(Separator separator, std::size_t kept = 3);
  /// How many columns there are. The views of fields() point into `line`, or into this object for quoted fields.
  std::size_t split(std::string_view line);
  [[nodiscard]] std::span<const std::string_view> fields() const { return fields_; }
  /// Set when quoting is wrong.
  [[nodiscard]] const char* fault() const { return fault_; }
  /// The line ends inside quotes: the field goes on in the next line.
  [[nodiscard]] bool is_open() const { return is_open_; }

 private:
  std::size_t split_exact(std::string_view line, char separator);
  std::size_t split_runs(std::string_view line);
  std::size_t split_quoted(std::string_view line, char separator);
  bool take_quoted(std::string_view& line, std::string& value);
  void keep(std::size_t index, std::string_view field) {
    if (index < fields_.size()) fields_[index] = field;
  }
  Separator separator_;
  std::vector<std::string_view> fields_;
  std::vector<std::string> unquoted_;
  const char* fault_ = nullptr;
  bool is_open_ = false;
};

/// Reads lines as records of fields; a field in quotes may hold line breaks.
class RecordReader {
 public:
  RecordReader(LineReader& lines, Separator separator, std::size_t kept) : lines_(&lines), splitter_(separator, kept) {}

  /// False at the end of the input.
  bool next();
  [[nodiscard]] bool is_empty() const { return is_empty_; }
  /// How many columns the record has.
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::span<const std::string_view> fields() const { return splitter_.fields(); }
  [[nodiscard]] std::uint64_t first_line() const { return first_line_; }
  [[nodiscard]] std::uint64_t last_line() const { return line_.number; }
  /// Why it cannot be read, or an empty text.
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  void join();
  LineReader* lines_;
  LineSplitter splitter_;
  Line line_;
  std::string joined_;
  std::string fault_;
  std::size_t count_ = 0;
  std::uint64_t first_line_ = 0;
  bool is_empty_ = false;
};

}  // namespace tessera::partition
