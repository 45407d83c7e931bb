// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/fact_sink.hpp"
#include "partition/import/line_reader.hpp"
#include "partition/import/options.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace tessera::partition {

/// Which column holds what.
struct ColumnOrder {
  std::size_t head = 0;
  std::size_t relation = 1;
  std::size_t tail = 2;
  /// From a permutation of "hrt". Throws Error(kUsage).
  static ColumnOrder parse(const std::string& columns);
};

struct TextFormat {
  Separator separator = Separator::kAuto;
  ColumnOrder columns;
  bool header = false;
  bool attributes = false;  ///< columns are entity, attribute, value; a value may be empty
};

/// The separator that `auto` means for a text that starts like this.
Separator guess_separator(std::string_view sample);
const char* separator_name(Separator separator);

/// Reads lines of three columns; empty lines are passed over. A field is taken as it is: never trimmed, never a number.
void read_text(LineReader& lines, const TextFormat& format, FactSink& sink);

/// Cuts a line into its columns. On success returns three; else how many there are, or a reason why there are none.
class LineSplitter {
 public:
  explicit LineSplitter(Separator separator) : separator_(separator) {}
  /// Up to three fields are in fields(); the views point into `line`, or into this object for quoted fields.
  std::size_t split(std::string_view line);
  [[nodiscard]] const std::array<std::string_view, 3>& fields() const { return fields_; }
  /// Set when quoting is wrong.
  [[nodiscard]] const char* fault() const { return fault_; }

 private:
  std::size_t split_exact(std::string_view line, char separator);
  std::size_t split_runs(std::string_view line);
  std::size_t split_quoted(std::string_view line);
  void keep(std::size_t index, std::string_view field);
  Separator separator_;
  std::array<std::string_view, 3> fields_;
  std::array<std::string, 3> unquoted_;
  const char* fault_ = nullptr;
};

}  // namespace tessera::partition
