"""The networks of src/nn.rs in PyTorch, timed as benches/speed.rs times them here.

    python benches/pytorch.py THREADS TASKS

TASKS is JSON from speed.rs. Prints a line with the version, then {name: {forward, step}} in milliseconds an image.
Eager mode, 32-bit floats, as most people run it.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Plain(nn.Module):
    def __init__(self, c):
        super().__init__()
        layers, width = [], c["width"]
        for i in range(c["convolutions"]):
            layers += [
                nn.Conv2d(width if i else 1, width, 3, 2, 1, bias=False),
                nn.BatchNorm2d(width, affine=False),
                nn.LeakyReLU(c["slope"]),
            ]
        last = c["input"] >> c["convolutions"]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(width, c["outputs"], last, bias=False)

    def forward(self, x):
        return self.head(self.body(x)).flatten(1)


class Layer(nn.Module):
    def __init__(self, inputs, c):
        super().__init__()
        neck, self.slope = c["bottleneck"], c["slope"]
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, neck, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(neck), nn.Conv2d(neck, c["growth"], 3, 1, 1, bias=False)

    def forward(self, x):
        y = self.conv1(F.leaky_relu(self.norm1(x), self.slope))
        y = self.conv2(F.leaky_relu(self.norm2(y), self.slope))
        return torch.cat([x, y], 1)


class Dense(nn.Module):
    def __init__(self, c):
        super().__init__()
        channels, slope = c["stem"], c["slope"]
        body = [
            nn.Conv2d(1, channels, 5, 2, 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.LeakyReLU(slope),
            nn.MaxPool2d(3, 2, 1),
        ]
        for i, layers in enumerate(c["blocks"]):
            for _ in range(layers):
                body.append(Layer(channels, c))
                channels += c["growth"]
            if i + 1 < len(c["blocks"]):
                # Pooled before it is convolved, which is the same and cheaper, as here.
                body += [
                    nn.BatchNorm2d(channels),
                    nn.LeakyReLU(slope),
                    nn.AvgPool2d(2),
                    nn.Conv2d(channels, channels // 2, 1, bias=False),
                ]
                channels //= 2
        body += [nn.BatchNorm2d(channels), nn.LeakyReLU(slope)]
        self.body = nn.Sequential(*body)
        self.fracture, self.location = nn.Linear(channels, 2), nn.Linear(channels, 3)

    def forward(self, x):
        x = self.body(x).mean((2, 3))
        return torch.cat([self.fracture(x), self.location(x)], 1)


def best(work):
    work()
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times) * 1000


def measure(task):
    config = task["network"]
    network = (Dense if config["family"] == "dense_net" else Plain)(config)
    side = config["input"]
    x = torch.randn(task["forward"], 1, side, side)
    network.eval()
    with torch.inference_mode():
        forward = best(lambda: network(x)) / task["forward"]
    if not task["step"]:
        return {"forward": forward, "step": None}
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    x = torch.randn(task["step"], 1, side, side)

    def step():
        optimiser.zero_grad()
        network(x).square().mean().backward()
        optimiser.step()

    return {"forward": forward, "step": best(step) / task["step"]}


torch.set_num_threads(int(sys.argv[1]))
print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
print(json.dumps({task["name"]: measure(task) for task in json.loads(sys.argv[2])}))
