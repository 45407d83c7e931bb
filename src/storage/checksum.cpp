// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/checksum.hpp"

#include "core/error.hpp"
#include "storage/atomic.hpp"
#include "storage/file_lock.hpp"

#include <xxhash.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

namespace tessera::storage {
namespace {
constexpr const char* kChecksumsLock = ".checksums.lock";

Digest canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Digest digest;
  std::memcpy(digest.bytes.data(), canonical.digest, digest.bytes.size());
  return digest;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool parse_hex(const std::string& text, Digest& out) {
  if (text.size() != 2 * out.bytes.size()) return false;
  for (std::size_t i = 0; i < out.bytes.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out.bytes.at(i) = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}
}  // namespace

std::string Digest::hex() const {
  std::string out;
  for (const std::uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

Digest hash_bytes(std::span<const std::byte> bytes) { return canonical(XXH3_128bits(bytes.data(), bytes.size())); }

struct Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
  State() { XXH3_128bits_reset(xxh); }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
void Hasher::add(std::span<const std::byte> bytes) { XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size()); }
Digest Hasher::digest() const { return canonical(XXH3_128bits_digest(state_->xxh)); }

Digest hash_file(const std::filesystem::path& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), &std::fclose);
  if (!in) fail(ExitStatus::kMissingInput, "'{}' cannot be opened: {}", file.string(), std::strerror(errno));
  Hasher hasher;
  std::vector<std::byte> block(std::size_t{1} << 20U);
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), in.get()))
    hasher.add(std::span(block).first(got));
  if (std::ferror(in.get()) != 0) fail(ExitStatus::kIo, "reading '{}' failed: {}", file.string(), std::strerror(errno));
  return hasher.digest();
}

FolderChecksums FolderChecksums::load(const std::filesystem::path& folder) {
  FolderChecksums checksums(folder);
  std::ifstream in(folder / kChecksumsName);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::size_t space = line.find("  ");
    Digest digest;
    if (space == std::string::npos || !parse_hex(line.substr(0, space), digest))
      fail(ExitStatus::kBadData, "{}:{}: not a line of checksum and file name; the list is damaged",
           (folder / kChecksumsName).string(), number);
    checksums.digests_[line.substr(space + 2)] = digest;
  }
  return checksums;
}

void FolderChecksums::record(const std::string& name) { digests_[name] = hash_file(folder_ / name); }

void FolderChecksums::commit() const {
  std::string lines;
  for (const auto& [name, digest] : digests_) lines += fmt::format("{}  {}\n", digest.hex(), name);
  write_text(folder_ / kChecksumsName, lines);
}

void commit_listed(AtomicFile& file) {
  const std::filesystem::path folder = file.final_path().has_parent_path() ? file.final_path().parent_path() : ".";
  const std::string name = file.final_path().filename().string();
  const FileLock lock = FileLock::wait(folder / kChecksumsLock);
  auto checksums = FolderChecksums::load(folder);
  if (checksums.lists(name)) {
    checksums.forget(name);
    checksums.commit();
  }
  file.commit();
  checksums.record(name);
  checksums.commit();
}

void FolderChecksums::verify(const std::string& name) const {
  const std::filesystem::path file = folder_ / name;
  const auto found = digests_.find(name);
  if (!std::filesystem::exists(file)) fail(ExitStatus::kMissingInput, "'{}' does not exist", file.string());
  if (found == digests_.end())
    fail(ExitStatus::kMissingInput, "'{}' is not listed in '{}': it was never finished, or it is not from here",
         file.string(), (folder_ / kChecksumsName).string());
  if (hash_file(file) != found->second)
    fail(ExitStatus::kBadData,
         "'{}' is damaged or belongs to another data set: its bytes do not match their checksum in '{}'", file.string(),
         (folder_ / kChecksumsName).string());
}

}  // namespace tessera::storage
