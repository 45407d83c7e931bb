// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace tessera::storage {

/// A file that is read more than once: the file itself or, of a pipe, a copy without a name in the folder for temporary
/// files. "-" is standard input.
class Rereadable {
 public:
  /// Throws Error: kMissingInput, kIo.
  explicit Rereadable(const std::filesystem::path& file);
  ~Rereadable();
  Rereadable(const Rereadable&) = delete;
  Rereadable& operator=(const Rereadable&) = delete;
  /// Where it can be opened, while this object lives.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void copy(const std::filesystem::path& pipe);
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace tessera::storage
