// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <span>
#include <string_view>

namespace tessera::exports::detail {

/// A plain file that is written from front to back. Throws Error(kIo) when writing fails, at the latest in close().
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  void write(std::string_view bytes);
  /// Little-endian, as the machine has them.
  void write(std::span<const float> values);
  /// Flushes to disk.
  void close();

 private:
  void check();
  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace tessera::exports::detail
