// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/file_lock.hpp"

#include <filesystem>

namespace tessera::train {

/// Keeps a second training away from a run folder, which need not exist yet, and from the working copy beside it. The
/// lock lies beside the folder or, where nobody may write there, in it. Throws Error(kUsage) that names who holds it.
storage::FileLock lock_run(const std::filesystem::path& run_folder);

/// Whether a training holds the lock of a run folder now.
bool is_training(const std::filesystem::path& run_folder);

}  // namespace tessera::train
