// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/dataset_bytes.hpp"
#include "storage/detail/string_store.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera::storage::detail {

/// Strings of files before encoding version 2: front-coded zstd blocks of 1,024. Only read; the blocks used last stay
/// decoded.
class ZstdStore final : public StringStore {
 public:
  /// Throws Error(kBadData); `where` begins the message.
  ZstdStore(std::uint64_t count, std::vector<std::uint64_t> offsets, DatasetBytes bytes, const std::string& where);
  [[nodiscard]] std::uint64_t size() const override { return count_; }
  [[nodiscard]] std::string get(std::uint64_t rank) override;
  [[nodiscard]] Bound lower_bound(std::string_view string) override;
  [[nodiscard]] std::vector<std::string> block(std::uint64_t index) override;

 private:
  const std::vector<std::string>& kept(std::uint64_t index);

  static constexpr std::size_t kMostKept = 512;
  std::uint64_t count_;
  std::vector<std::uint64_t> offsets_;  // of each block in bytes_, and the end
  DatasetBytes bytes_;
  std::unordered_map<std::uint64_t, std::vector<std::string>> kept_;
};

}  // namespace tessera::storage::detail
