// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/name_file.hpp"

#include "core/error.hpp"

#include <cstring>
#include <span>

namespace tessera::partition {
namespace {

// A name is stored as its length and its bytes.
std::uint16_t length_at(const std::byte* at) {
  std::uint16_t length = 0;
  std::memcpy(&length, at, sizeof(length));
  return length;
}

}  // namespace

void NameFile::add(std::string_view name) {
  if (count_ % kWindow == 0) starts_.push_back(file_.bytes());
  const auto length = static_cast<std::uint16_t>(name.size());
  file_.append(std::as_bytes(std::span(&length, 1)));
  file_.append(std::as_bytes(std::span(name)));
  ++count_;
}

void NameFile::finish() {
  starts_.push_back(file_.bytes());
  file_.flush();
}

void NameFile::load(std::uint64_t window) const {
  bytes_.resize(starts_[window + 1] - starts_[window]);
  file_.read_at(starts_[window], bytes_);
  places_.clear();
  for (std::size_t at = 0; at < bytes_.size(); at += sizeof(std::uint16_t) + length_at(bytes_.data() + at))
    places_.push_back(at);
  loaded_ = window;
}

std::string_view NameFile::operator[](std::uint64_t rank) const {
  TESSERA_ASSERT(rank < count_, "a name past the end");
  if (rank / kWindow != loaded_) load(rank / kWindow);
  const std::byte* const at = bytes_.data() + places_[rank % kWindow];
  return {reinterpret_cast<const char*>(at) + sizeof(std::uint16_t), length_at(at)};
}

}  // namespace tessera::partition
