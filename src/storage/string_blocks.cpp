// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/string_blocks.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "storage/detail/packed_store.hpp"
#include "storage/detail/zstd_store.hpp"
#include "storage/hdf5.hpp"

#include <algorithm>

namespace tessera::storage {
namespace {

constexpr std::uint64_t kZstdVersion = 1;  // of files that older programs wrote
constexpr std::uint64_t kPackedVersion = 2;

// Old blocks have no hash of their own: their dataset is read once, piece by piece.
void check_digest(const DatasetBytes& bytes, const std::string& digest) {
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20U;
  Hasher hasher;
  std::vector<std::uint8_t> piece;
  for (std::uint64_t first = 0; first < bytes.size(); first += piece.size()) {
    piece.resize(std::min(kPiece, bytes.size() - first));
    bytes.read(first, piece);
    hasher.add(std::as_bytes(std::span(piece)));
  }
  if (hasher.digest().hex() != digest)
    fail(ExitStatus::kBadData, "{}: its values do not match their checksum", bytes.name());
}

}  // namespace

StringBlocks::StringBlocks(std::unique_ptr<detail::StringStore> store) : store_(std::move(store)) {}

StringBlocks::StringBlocks(PackedStrings strings) {
  DatasetBytes bytes(std::move(strings.bytes));
  store_ = std::make_unique<detail::PackedStore>(std::move(strings), std::move(bytes), "strings in memory");
}

StringBlocks StringBlocks::open(const FileReader& file, const std::string& group) {
  const std::string where = fmt::format("'{}', group {}", file.path().string(), group);
  const std::uint64_t version = file.integer(group, "encoding_version");
  PackedStrings strings;
  strings.count = file.integer(group, "count");
  DatasetBytes bytes = file.open_bytes(group + "/bytes");
  if (version == kZstdVersion) {
    check_digest(bytes, file.digest(group + "/bytes"));
    auto offsets = file.read<std::uint64_t>(group + "/block_offsets");
    return StringBlocks(
        std::make_unique<detail::ZstdStore>(strings.count, std::move(offsets), std::move(bytes), where));
  }
  if (version != kPackedVersion)
    fail(ExitStatus::kBadData, "{}: encoding {} of strings is not known; use a newer Tessera", where, version);
  strings.page_offsets = file.read<std::uint64_t>(group + "/page_offsets");
  strings.symbols = file.read<std::uint8_t>(group + "/symbols");
  strings.separators = file.read<std::uint8_t>(group + "/separators");
  strings.separator_offsets = file.read<std::uint64_t>(group + "/separator_offsets");
  return StringBlocks(std::make_unique<detail::PackedStore>(std::move(strings), std::move(bytes), where));
}

StringBlocks::StringBlocks(StringBlocks&&) noexcept = default;
StringBlocks& StringBlocks::operator=(StringBlocks&&) noexcept = default;
StringBlocks::~StringBlocks() = default;

std::uint64_t StringBlocks::size() const { return store_->size(); }

std::string StringBlocks::get(std::uint64_t rank) const {
  TESSERA_ASSERT(rank < size(), "string rank out of range");
  return store_->get(rank);
}

std::optional<std::uint64_t> StringBlocks::find(std::string_view name) const {
  const detail::StringStore::Bound bound = store_->lower_bound(name);
  return bound.is_equal ? std::optional(bound.rank) : std::nullopt;
}

std::uint64_t StringBlocks::lower_bound(std::string_view name) const { return store_->lower_bound(name).rank; }

std::uint64_t StringBlocks::block_count() const {
  return size() / kBlockStrings + (size() % kBlockStrings == 0 ? 0 : 1);
}

std::vector<std::string> StringBlocks::block(std::uint64_t block_index) const {
  TESSERA_ASSERT(block_index < block_count(), "string block out of range");
  return store_->block(block_index);
}

std::vector<std::string> StringBlocks::nearest(std::string_view name, std::size_t limit) const {
  struct Candidate {
    std::size_t distance;
    std::string string;
    auto operator<=>(const Candidate&) const = default;
  };
  std::vector<Candidate> best;
  if (limit == 0) return {};
  for (std::uint64_t i = 0; i < block_count(); ++i) {
    for (std::string& string : block(i)) {
      const std::size_t gap = string.size() > name.size() ? string.size() - name.size() : name.size() - string.size();
      if (best.size() == limit && gap > best.back().distance) continue;
      Candidate candidate{text::edit_distance(name, string), std::move(string)};
      if (best.size() == limit && !(candidate < best.back())) continue;
      best.insert(std::upper_bound(best.begin(), best.end(), candidate), std::move(candidate));
      if (best.size() > limit) best.pop_back();
    }
  }
  std::vector<std::string> names;
  for (Candidate& candidate : best) names.push_back(std::move(candidate.string));
  return names;
}

}  // namespace tessera::storage
