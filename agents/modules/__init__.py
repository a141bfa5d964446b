"""The course's modules: small torch modules that the agents are built from, one chapter a file.

convolution.py   the CNN: convolutions with batch normalisation, residual blocks, global pooling
heads.py         what a trunk is asked: policy, value, ownership, score
"""
