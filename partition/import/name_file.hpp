// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/temp_file.hpp"

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace tessera::partition {

/// Names in a temporary file, by rank. Reading some in a row is fast; the memory is a window of kWindow names.
class NameFile {
 public:
  explicit NameFile(const std::filesystem::path& folder) : file_(folder) {}
  void add(std::string_view name);
  /// Needed before reading.
  void finish();
  [[nodiscard]] std::uint64_t size() const { return count_; }
  /// Valid until the next call.
  [[nodiscard]] std::string_view operator[](std::uint64_t rank) const;

 private:
  static constexpr std::uint64_t kWindow = 512;
  void load(std::uint64_t window) const;
  TempFile file_;
  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> starts_;  // of the windows, and the end
  mutable std::uint64_t loaded_ = ~std::uint64_t{0};
  mutable std::vector<std::byte> bytes_;
  mutable std::vector<std::size_t> places_;  // of the names of the window in bytes_
};

}  // namespace tessera::partition
