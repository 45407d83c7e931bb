// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/dictionary.hpp"
#include "partition/import/name_file.hpp"
#include "partition/import/rank_table.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::partition {

/// Distinct names in byte order: the rank of a name is its id. In memory, or in a file.
class SortedNames {
 public:
  SortedNames() = default;
  explicit SortedNames(NameFile names) : file_(std::move(names)) {}
  [[nodiscard]] std::uint64_t size() const { return file_ ? file_->size() : offsets_.size() - 1; }
  /// Valid until the next call.
  [[nodiscard]] std::string_view operator[](std::uint64_t rank) const {
    if (file_) return (*file_)[rank];
    return std::string_view(text_).substr(offsets_[rank], offsets_[rank + 1] - offsets_[rank]);
  }
  /// Of names in memory, as offsets().
  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] std::span<const std::uint64_t> offsets() const { return offsets_; }  ///< [size + 1] into text()

 private:
  friend SortedNames sort_names(const Dictionary&, const std::vector<bool>*, std::vector<std::uint64_t>&);
  std::optional<NameFile> file_;
  std::string text_;
  std::vector<std::uint64_t> offsets_ = {0};
};

/// The numbers of the names that are marked in `keep` (all without it), by the byte order of names. Multikey quicksort
/// on eight bytes at a time, O(names log names) with few cache misses.
std::vector<std::uint64_t> sorted_numbers(const Dictionary& dictionary, const std::vector<bool>* keep);

/// Sorts the names whose number is marked in `keep` (all without it); `ranks[number]` becomes the rank, or kNoRank.
/// `dictionary` begins at number 0.
SortedNames sort_names(const Dictionary& dictionary, const std::vector<bool>* keep, std::vector<std::uint64_t>& ranks);

}  // namespace tessera::partition
