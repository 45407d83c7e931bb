// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/input.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::partition {

struct Line {
  std::string_view text;     ///< without its line end; valid until the next call of next()
  std::uint64_t number = 0;  ///< from 1
  std::string fault;         ///< why the line cannot be read, usually empty
  bool had_return = false;   ///< it ended with CRLF
};

/// Cuts an input into lines: LF or CRLF, a byte-order mark at the start, the last line with or without an end. Lines
/// that are not UTF-8, hold a NUL byte or are too long come with a fault and go on at the next line.
class LineReader {
 public:
  static constexpr std::uint64_t kLongestLineBytes = std::uint64_t{16} << 20U;
  /// `input` must outlive the reader.
  explicit LineReader(Input& input, std::uint64_t longest_line_bytes = kLongestLineBytes);

  /// False at the end of the input.
  bool next(Line& line);
  /// Lines given out so far, empty ones included.
  [[nodiscard]] std::uint64_t lines() const { return number_; }
  /// The start of the text (up to a block, whole lines where there are any): to guess a format before the first next().
  std::string_view sample();
  /// What was read of the input and not given out, for a reader that needs no lines; to be called before next().
  std::string_view take_all();
  /// From now on NUL bytes are no fault.
  void allow_nul();
  [[nodiscard]] const Input& input() const { return *input_; }
  [[nodiscard]] std::size_t longest_line() const { return longest_; }

 private:
  bool fill();
  void check_block();
  [[nodiscard]] std::string fault_of(std::string_view text) const;
  [[nodiscard]] std::string too_long() const;
  bool give_rest(Line& line);
  bool skip_long_line(Line& line);

  Input* input_;
  std::size_t longest_;
  bool allow_nul_ = false;
  std::vector<char> buffer_;
  std::size_t at_ = 0;        // start of the next line
  std::size_t complete_ = 0;  // end of the last complete line in the buffer
  std::size_t filled_ = 0;
  std::uint64_t number_ = 0;
  bool started_ = false;
  bool ended_ = false;
  bool clean_ = true;  // the complete lines in the buffer have no fault
};

}  // namespace tessera::partition
