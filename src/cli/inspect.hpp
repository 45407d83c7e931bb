// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>

namespace tessera::cli {

/// What a file or folder of Tessera holds, in reading order, every checksum verified. Throws Error: kMissingInput,
/// kBadData for a damaged or foreign one. Files of unknown origin are parsed here: call it in a sandboxed child.
nlohmann::ordered_json inspect(const std::filesystem::path& path);

}  // namespace tessera::cli
