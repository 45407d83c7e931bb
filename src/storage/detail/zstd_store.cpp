// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/zstd_store.hpp"

#include "core/error.hpp"

#include <zstd.h>

#include <algorithm>

namespace tessera::storage::detail {
namespace {

constexpr std::uint64_t kMostRatio = 32768;  // a zstd block of at least 4 bytes makes at most 128 KiB

[[noreturn]] void fail_damaged() { fail(ExitStatus::kBadData, "a block of strings is damaged"); }

std::uint64_t take_varint(std::string_view& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (in.empty()) break;
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 127U) << shift;
    if (byte < 128) return value;
  }
  fail_damaged();
}

std::string decompress(const std::vector<std::uint8_t>& frame) {
  const unsigned long long plain = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (plain == ZSTD_CONTENTSIZE_ERROR || plain == ZSTD_CONTENTSIZE_UNKNOWN || plain / kMostRatio > frame.size())
    fail_damaged();
  std::string coded(plain, '\0');
  if (ZSTD_isError(ZSTD_decompress(coded.data(), coded.size(), frame.data(), frame.size())) != 0) fail_damaged();
  return coded;
}

}  // namespace

ZstdStore::ZstdStore(std::uint64_t count, std::vector<std::uint64_t> offsets, DatasetBytes bytes,
                     const std::string& where)
    : count_(count), offsets_(std::move(offsets)), bytes_(std::move(bytes)) {
  const std::uint64_t full = count_ / kBlockStrings;  // rounding up could wrap around
  const std::uint64_t expected = full + (count_ % kBlockStrings == 0 ? 0 : 1) + 1;
  const bool is_sound = offsets_.size() == expected && offsets_.front() == 0 && offsets_.back() == bytes_.size() &&
                        std::is_sorted(offsets_.begin(), offsets_.end());
  if (!is_sound) fail(ExitStatus::kBadData, "{}: the string blocks are inconsistent", where);
}

std::vector<std::string> ZstdStore::block(std::uint64_t index) {
  std::vector<std::uint8_t> frame(offsets_[index + 1] - offsets_[index]);
  bytes_.read(offsets_[index], frame);
  const std::string coded = decompress(frame);
  std::vector<std::string> strings;
  std::string_view rest = coded;
  const std::uint64_t wanted = std::min(kBlockStrings, count_ - index * kBlockStrings);
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const std::uint64_t shared = take_varint(rest);
    const std::uint64_t added = take_varint(rest);
    if (added > rest.size() || shared > (strings.empty() ? 0 : strings.back().size())) fail_damaged();
    strings.push_back((strings.empty() ? std::string() : strings.back().substr(0, shared)) +
                      std::string(rest.substr(0, added)));
    rest.remove_prefix(added);
  }
  if (!rest.empty()) fail_damaged();
  return strings;
}

const std::vector<std::string>& ZstdStore::kept(std::uint64_t index) {
  const auto found = kept_.find(index);
  if (found != kept_.end()) return found->second;
  if (kept_.size() >= kMostKept) kept_.clear();
  return kept_.emplace(index, block(index)).first->second;
}

std::string ZstdStore::get(std::uint64_t rank) { return kept(rank / kBlockStrings).at(rank % kBlockStrings); }

StringStore::Bound ZstdStore::lower_bound(std::string_view string) {
  if (count_ == 0) return {0, false};
  std::uint64_t low = 0;
  std::uint64_t high = offsets_.size() - 1;
  while (high - low > 1) {  // the last block whose first string is not above `string`
    const std::uint64_t middle = (low + high) / 2;
    (kept(middle).front() <= string ? low : high) = middle;
  }
  const std::vector<std::string>& strings = kept(low);
  const auto found = std::lower_bound(strings.begin(), strings.end(), string);
  return {low * kBlockStrings + static_cast<std::uint64_t>(found - strings.begin()),
          found != strings.end() && *found == string};
}

}  // namespace tessera::storage::detail
