"""Training loops as a person writes them who wants speed and nothing else: the measure of every other row.

Plain PyTorch, run as it is written: the images in memory as float32, batches gathered and noise drawn for many steps at
once, torch.optim.Adam, fused; no logging, no validation, no checkpoints. Nothing is compiled, captured or private to
PyTorch. `steps` trains for ever and gives each step's loss, which nobody has to read. Networks, batch, optimiser and loss
are those of the recipe beside which a loop is measured; a test holds them together.
"""
