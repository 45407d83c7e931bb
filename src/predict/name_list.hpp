// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::predict {

/// The lines of a UTF-8 text file or pipe, "-" for standard input, as a stream; empty lines are skipped. A byte order
/// mark and the CR of CRLF are no part of a line.
class LineReader {
 public:
  /// `what` names the file in messages: "query file". Throws Error: kMissingInput, kIo.
  LineReader(std::filesystem::path file, const std::string& what);
  /// False at the end. Throws Error with file and line: kBadData for a line that is not UTF-8, kIo.
  bool next(std::string& line);
  /// The place of the last line: "names.txt:12".
  [[nodiscard]] std::string where() const;

 private:
  std::filesystem::path file_;
  std::ifstream own_;
  std::istream& in_;
  std::uint64_t number_ = 0;
};

/// A line without a tab that begins with #. (With a tab it is data: a name may begin with #.)
bool is_comment(std::string_view line);
std::vector<std::string> split_at_tabs(std::string_view line);

/// Calls consume(name, where) for each line of a file of names.
void read_names(const std::filesystem::path& file,
                const std::function<void(const std::string& name, const std::string& where)>& consume);

}  // namespace tessera::predict
